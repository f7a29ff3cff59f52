import { once } from "node:events";
import { constants, createWriteStream } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
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
  await using _ = await readerOf(path);
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

/** Opening a pipe waits until somebody reads it, if need be for ever: one that nobody reads is an error, as a full disk is. */
async function readerOf(path: string): Promise<FileHandle | undefined> {
  const isPipe = await stat(path).then(
    (found) => found.isFIFO(),
    () => false,
  );
  if (!isPipe) return undefined;
  return open(path, constants.O_WRONLY | constants.O_NONBLOCK).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === "ENXIO" ? new Error("it is a pipe that nobody reads", { cause }) : cause;
  });
}
