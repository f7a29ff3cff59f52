import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";

/** Appends lines to a file without ever holding up who writes them. */
export interface FileSink extends AsyncDisposable {
  write(line: string): void;
  /** Lines left out because the disk was slow or full. */
  dropped(): number;
  /** The first failure of the file, if there was one: it takes no lines after that. */
  failure(): Error | undefined;
}

/** A disk that hangs costs this much memory and then lines. */
const mostBuffered = 16 * 1024 * 1024;

/** Opens `path` for appending; created readable by its owner only, since jobs' names may tell something. Throws what open throws; `failed` is told once. */
export async function openFileSink(path: string, failed: (cause: Error) => void = () => {}): Promise<FileSink> {
  const stream = createWriteStream(path, { flags: "a", mode: 0o600 });
  await once(stream, "open");
  let lost = 0;
  let failure: Error | undefined;
  stream.on("error", (error) => {
    if (failure === undefined) failed(error);
    failure ??= error;
  });
  return {
    write(line) {
      if (failure !== undefined || stream.writableLength > mostBuffered) lost++;
      else stream.write(line);
    },
    dropped: () => lost,
    failure: () => failure,
    async [Symbol.asyncDispose]() {
      if (failure !== undefined) return;
      stream.end();
      // A failure at the end is told by failure(), like any other.
      await finished(stream).catch(() => {});
    },
  };
}
