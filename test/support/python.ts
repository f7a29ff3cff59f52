import { type FoundPython, findPython as find } from "../../src/services/python.ts";

export type { FoundPython };

let found: Promise<FoundPython> | undefined;

/** A Python with Celery, looked for once; `missing` is the reason of a skip. */
export function findPython(): Promise<FoundPython> {
  found ??= find({ env: process.env, onProgress: (text) => console.error(text) });
  return found;
}
