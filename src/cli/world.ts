/** A stream for people or machines. */
export type Output = Readonly<{
  write(text: string): unknown;
  isTTY?: boolean | undefined;
  columns?: number | undefined;
  /** Bytes that nobody has read yet. */
  writableLength?: number;
}>;

/** What a command sees of the world outside; only main.ts reads `process`. */
export type World = Readonly<{
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  pid: number;
  /** Whose files are ours; absent where the system knows no such number. */
  uid?: number | undefined;
  version: string;
  /** Results. */
  stdout: Output;
  /** Messages. */
  stderr: Output;
  /** Monotonic ms since boot, the same for all processes of the machine. */
  now: () => number;
  /** How to run this very program again: Node and the path of main. */
  self: readonly string[];
  /** Fires at the first SIGTERM or SIGINT. */
  stop: AbortSignal;
  /** Fires at the second. */
  hurry: AbortSignal;
}>;

/** Whether to colour what goes to this stream: a terminal that takes colours, and nobody who asks for none (no-color.org). */
export function wantsColor({ env }: Pick<World, "env">, output: Output): boolean {
  const refused = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  return output.isTTY === true && !refused;
}
