import { readdir, rm, stat, utimes } from "node:fs/promises";
import path from "node:path";

/** Notes that something of the cache was used just now. */
export const markUsed = (file: string): Promise<void> => utimes(file, new Date(), new Date());

/** Removes what of a cache folder has such a name and was not used for so long, ms. */
export async function forgetUnused(folder: string, name: RegExp, ms: number): Promise<void> {
  for (const each of (await readdir(folder)).filter((entry) => name.test(entry))) {
    const file = path.join(folder, each);
    if (Date.now() - (await stat(file)).mtimeMs > ms) await rm(file, { recursive: true, force: true });
  }
}
