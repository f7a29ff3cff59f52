import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { createLineSplitter, type LineSplitter, lastLineOf, shownLine } from "./process-lines.ts";

export type LogMode = "Prefix" | "File" | "Discard";

/**
 * Workers write straight to files, so that they outlive worktide without a broken pipe. In mode Prefix the files are read
 * as they grow, and each line is handed on as `[id] line`, without secrets and control characters. The files stay as the workers
 * write them, for nobody but their owner to read.
 */
export type ProcessLogs = Readonly<{
  /**
   * Opens the file of a worker for its stdout and stderr; the caller closes it. In mode Discard for its stdin, and it stays empty: by
   * it a worker is known whose environment is overwritten. Throws as open(2) does.
   */
  open(id: string): WorkerFile;
  fileOf(id: string): string;
  /** Removes the file of a worker that could not be started. */
  drop(id: string): void;
  /** Follows the file of a worker from its beginning, or from its present end for one that was adopted. */
  follow(id: string, from: "begin" | "end"): void;
  /** Hands on what is left, and lets the file be cleared away some day. */
  finish(id: string): void;
  /** The last line that the worker wrote: one line, no secrets, no control characters, at most 200 characters. */
  lastLine(id: string): string | undefined;
  /** Hands on what has come so far and ends all following. */
  close(): void;
}>;

/** An open file, and where a worker has it. */
export type WorkerFile = Readonly<{ fd: number; as: "input" | "output" }>;

export type ProcessLogsOptions = Readonly<{
  dir: string;
  pool: string;
  mode: LogMode;
  output: (line: string) => void;
  /** Takes secrets out of a text. */
  redact: (text: string) => string;
  /** A file that grew over it is emptied, bytes. */
  maxBytes?: number;
  /** Files of exited workers that are kept. */
  keep?: number;
}>;

type Tail = { readonly fd: number; position: number; readonly lines: LineSplitter };

const CHUNK = 64 * 1024;
/** One for all pools: what is read into it is handed on before the next read. */
const buffer = Buffer.allocUnsafeSlow(CHUNK);
/** Read per file and turn, so that one talkative worker holds up nobody. */
const CHUNKS_PER_TURN = 16;
const POLL_MS = { Prefix: 200, File: 5_000, Discard: 60_000 } as const;

export function createProcessLogs(options: ProcessLogsOptions): ProcessLogs {
  const { dir, pool, mode, output, redact, maxBytes = 64 << 20, keep = 10 } = options;
  const tails = new Map<string, Tail>();
  const fileOf = (id: string): string => join(dir, `${id}.log`);
  const timer = setInterval(() => {
    for (const [id, tail] of tails) poll(id, tail);
  }, POLL_MS[mode]);
  timer.unref();

  const say = (id: string) => (line: string) => output(`[${id}] ${shownLine(line, redact)}`);

  function poll(id: string, tail: Tail, chunks: number = CHUNKS_PER_TURN): void {
    const { size } = fstatSync(tail.fd);
    if (size < tail.position) tail.position = 0; // emptied by someone: what is there now is new
    for (let n = 0; mode === "Prefix" && n < chunks && tail.position < size; n++) {
      const read = readSync(tail.fd, buffer, 0, CHUNK, tail.position);
      if (read === 0) break;
      tail.position += read;
      tail.lines.push(buffer.subarray(0, read));
    }
    if (size > maxBytes) empty(id, tail);
  }

  /** The worker's descriptor appends (O_APPEND), so it goes on at the new end. */
  function empty(id: string, tail: Tail): void {
    const { size } = fstatSync(tail.fd);
    ftruncateSync(tail.fd, 0);
    if (mode === "Prefix" && size > tail.position) say(id)(`… ${size - tail.position} bytes left out: more than could be read`);
    tail.position = 0;
  }

  function open(id: string): WorkerFile {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    if (mode !== "Discard") return { fd: openSync(fileOf(id), "a", 0o600), as: "output" };
    return { fd: openSync(fileOf(id), constants.O_CREAT | constants.O_RDONLY, 0o600), as: "input" };
  }

  function drop(id: string): void {
    rmSync(fileOf(id), { force: true });
  }

  function follow(id: string, from: "begin" | "end"): void {
    if (tails.has(id)) return;
    try {
      const fd = openSync(fileOf(id), "r+");
      tails.set(id, { fd, position: from === "end" ? fstatSync(fd).size : 0, lines: createLineSplitter(say(id)) });
    } catch {
      // Cleared away, or a disk that fails: the worker's work does not depend on its log.
    }
  }

  function finish(id: string): void {
    end(id);
    prune();
  }

  function end(id: string): void {
    const tail = tails.get(id);
    if (tail === undefined) return;
    tails.delete(id);
    poll(id, tail, Number.POSITIVE_INFINITY);
    tail.lines.end();
    closeSync(tail.fd);
  }

  /** Newest `keep` of those that no worker writes to. */
  function prune(): void {
    const ours = (name: string): boolean =>
      name.startsWith(`${pool}-`) && /^-\d+-[0-9a-f]{4}\.log$/.test(name.slice(pool.length));
    try {
      const old = readdirSync(dir)
        .filter((name) => ours(name) && !tails.has(name.slice(0, -".log".length)))
        .map((name) => ({ name, at: statSync(join(dir, name)).mtimeMs }))
        .sort((a, b) => b.at - a.at);
      for (const { name } of old.slice(keep)) rmSync(join(dir, name), { force: true });
    } catch {
      // The next exit tries again.
    }
  }

  function lastLine(id: string): string | undefined {
    try {
      const fd = openSync(fileOf(id), "r");
      try {
        const { size } = fstatSync(fd);
        const read = readSync(fd, buffer, 0, 8192, Math.max(0, size - 8192));
        return lastLineOf(buffer.toString("utf8", 0, read), size === read, redact);
      } finally {
        closeSync(fd);
      }
    } catch {
      return undefined;
    }
  }

  function close(): void {
    clearInterval(timer);
    for (const id of [...tails.keys()]) end(id);
  }

  return { open, fileOf, drop, follow, finish, lastLine, close };
}
