import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { access, mkdir, readdir, readFile, rename } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const sources = path.join(import.meta.dirname, "packaging");

/** Where tools are kept that a test made or fetched: outside the checkout, and no two versions in one place. */
export async function toolsFolder(): Promise<string> {
  const base = process.env["XDG_CACHE_HOME"] || path.join(homedir(), ".cache");
  const folder = path.join(base, "worktide", "tools");
  await mkdir(folder, { recursive: true });
  return folder;
}

export const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

/** A program that a test needs, or why there is none. */
export type Found = Readonly<{ file: string } | { missing: string }>;

let packaging: Promise<Found> | undefined;

/**
 * Helm's template engine and Argo CD's Lua, built once with Go (a minute) and kept. The program is named after a hash of
 * its sources.
 */
export function findPackaging(): Promise<Found> {
  packaging ??= build();
  return packaging;
}

async function build(): Promise<Found> {
  const hash = createHash("sha256");
  for (const name of (await readdir(sources)).sort()) hash.update(await readFile(path.join(sources, name)));
  const folder = await toolsFolder();
  const file = path.join(folder, `packaging-${hash.digest("hex").slice(0, 16)}`);
  if (await exists(file)) return { file };
  const draft = `${file}.${process.pid}`;
  try {
    await run("go", ["build", "-trimpath", "-ldflags=-s -w", "-o", draft, "."], { cwd: sources, maxBuffer: 16 << 20 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return { missing: "no Go to build Helm's template engine with" };
    const { message, stderr } = cause as Error & { stderr?: string };
    return { missing: `building Helm's template engine with Go failed: ${(stderr ?? message).trim().split("\n").at(-1)}` };
  }
  await rename(draft, file);
  return { file };
}

/** Asks the program; rejects with what it says where it fails. */
async function ask<Answer>(command: "helm" | "lua", request: object): Promise<Answer> {
  const found = await findPackaging();
  if ("missing" in found) throw new Error(found.missing);
  const child = spawn(found.file, [command], { stdio: ["pipe", "pipe", "pipe"] });
  const text = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text.out += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (text.err += chunk));
  child.stdin.end(JSON.stringify(request));
  const code = await new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  if (code !== 0) throw new Error(text.err.trim());
  return JSON.parse(text.out) as Answer;
}

export type Release = Readonly<{
  chart: string;
  name: string;
  namespace: string;
  values?: object;
  upgrade?: boolean;
  kubeVersion?: string;
  apiVersions?: readonly string[];
}>;

/** Renders a chart as `helm template` does: the text of each template, by its path. Rejects where the values are refused. */
export const renderChart = (release: Release) =>
  ask<Readonly<{ files: Readonly<Record<string, string>>; supported: boolean }>>("helm", { values: {}, ...release });

/** What a Lua rule of Argo CD returns for an object. */
export const runRule = <Answer>(script: string, object: unknown) => ask<Answer>("lua", { script, object });
