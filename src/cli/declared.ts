import { readFileSync, statSync } from "node:fs";
import { relative, resolve } from "node:path";
import { scalers } from "../../scalers/index.ts";
import { type Api, defineApi } from "../api/define.ts";
import type { Place } from "../api/fields.ts";
import { type Parsed, parseDocuments } from "../api/parse.ts";
import { brokers } from "../brokers/brokers.ts";
import { UsageError } from "./usage-error.ts";
import type { World } from "./world.ts";

let api: Api | undefined;

/**
 * What stands in the file, and all that is wrong with it. Throws UsageError when it cannot be read at all.
 *
 * @param place Where its documents are put to work. Default: where they can.
 */
export function readDeclared(file: string, { cwd }: Pick<World, "cwd">, place?: Place): Parsed {
  api ??= defineApi(scalers, brokers);
  const path = resolve(cwd, file);
  const shown = relative(cwd, path);
  const named = shown.startsWith("..") ? path : shown;
  return parseDocuments(readText(path, file), { api, file: named, folder: resolve(path, ".."), ...(place && { place }) });
}

function readText(path: string, file: string): string {
  const unreadable = (why: string, cause?: unknown) =>
    new UsageError(`cannot read '${file}': ${why}; name another with --file`, 1, { cause });
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw unreadable("it is a folder");
    // A pipe that nobody writes to, or a device without end, would be read for ever.
    if (!stat.isFile()) throw unreadable("it is not a regular file");
    return readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw unreadable(code === "ENOENT" ? "there is no such file" : String(code), cause);
  }
}
