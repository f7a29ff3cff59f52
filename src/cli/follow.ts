import { unwatchFile, watchFile } from "node:fs";

/**
 * Calls back after each change of the file: written in place, or replaced by rename as editors and ConfigMaps do.
 * It asks the file system every 500 ms: change notices are lost on network and overlay file systems.
 */
export function followFile(path: string, changed: () => void): Disposable {
  const listener = (now: { mtimeMs: number; ino: number; size: number }, before: typeof now) => {
    if (now.mtimeMs !== before.mtimeMs || now.ino !== before.ino || now.size !== before.size) changed();
  };
  watchFile(path, { interval: 500, persistent: false }, listener);
  return { [Symbol.dispose]: () => unwatchFile(path, listener) };
}
