import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { parseAllDocuments } from "yaml";
import { findPrograms } from "../support/control-plane.ts";
import { renderChart } from "../support/packaging.ts";

export const root = path.join(import.meta.dirname, "..", "..");
export const chart = path.join(root, "manifests", "chart");

export type Meta = Readonly<{
  name: string;
  namespace?: string;
  labels?: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
}>;
/** An object as a manifest has it; what is in it is for the test to know. */
export type Made = Readonly<{
  apiVersion: string;
  kind: string;
  metadata: Meta;
  spec?: unknown;
  rules?: unknown;
  [field: string]: unknown;
}>;

export const keyOf = ({ kind, metadata }: Made): string =>
  `${kind} ${metadata.namespace === undefined ? "" : `${metadata.namespace}/`}${metadata.name}`;

/** The objects of a YAML text, by kind and name. Throws where two are the same. */
export function objectsOf(text: string): ReadonlyMap<string, Made> {
  const objects = new Map<string, Made>();
  for (const document of parseAllDocuments(text)) {
    if (document.errors.length > 0) throw new Error(`not YAML: ${document.errors[0]?.message}\n${text}`);
    const object = document.toJS({ maxAliasCount: 1_000 }) as Made | null;
    if (object === null) continue;
    if (objects.has(keyOf(object))) throw new Error(`twice: ${keyOf(object)}`);
    objects.set(keyOf(object), object);
  }
  return objects;
}

/** The first object of a kind. */
export const named = (objects: ReadonlyMap<string, Made>, kind: string): Made | undefined =>
  [...objects.values()].find((object) => object.kind === kind);

/** Its `spec`. Throws where there is none of that kind. */
export function specOf<Spec>(objects: ReadonlyMap<string, Made>, kind: string): Spec {
  const object = named(objects, kind);
  if (object === undefined) throw new Error(`there is no ${kind}`);
  return object.spec as Spec;
}

/** The objects of the chart with these values. */
export async function chartObjects(values: object = {}, over: Partial<Parameters<typeof renderChart>[0]> = {}) {
  const { files } = await renderChart({ chart, name: "worktide", namespace: "worktide-system", values, ...over });
  const templates = Object.entries(files).filter(([file]) => file.endsWith(".yaml"));
  return objectsOf(templates.map(([, text]) => text).join("\n---\n"));
}

const run = promisify(execFile);

/** What a command prints; it must end well. */
export async function output(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { stdout } = await run(command, args, { cwd: root, env: { ...process.env, ...env }, maxBuffer: 64 << 20 });
  return stdout;
}

/** What `worktide manifests` prints with these flags. */
export const printed = async (...flags: readonly string[]) =>
  objectsOf(await output(process.execPath, ["src/main.ts", "manifests", ...flags]));

/** The objects of a kustomization below `manifests/`. */
export async function kustomized(folder: string): Promise<ReadonlyMap<string, Made>> {
  const programs = await findPrograms();
  if ("missing" in programs) throw new Error(programs.missing);
  return objectsOf(await output(path.join(programs.bin, "kubectl"), ["kustomize", path.join("manifests", folder)]));
}
