import type { HistoryInput, HistoryLine } from "./history.ts";
import type { Redactor } from "./redact.ts";
import { redactor as processRedactor } from "./redact.ts";

export type RecordOptions = Readonly<{
  /** Monotonic ms. */
  clock: () => number;
  /** Milliseconds since 1970, for people. */
  wallClock: () => number;
  /** Lines kept per worker. Default 500. */
  size?: number;
  /** Lines kept in all, shared by the workers in equal parts when there are many of them. Default 20,000. */
  total?: number;
  /** Gets every line as it comes, unchanged reads too, redacted and with its line end: `--history FILE`. */
  sink?: Readonly<{ write(line: string): unknown }>;
  redactor?: Redactor;
}>;

/** What was seen, decided and done, the last of it per worker. Memory is bounded whatever happens. */
export type History = Readonly<{
  /**
   * Adds a line. A read with `changed` false goes to the sink only, unless a decision cites it later: then it is kept
   * in front of that decision.
   */
  add(input: HistoryInput, changed?: boolean): void;
  /** Redacted JSON lines without line ends, oldest first; undefined for a worker of which nothing was ever told. */
  lines(worker: string): readonly string[] | undefined;
  /** Drops what is kept of a worker that is gone. */
  forget(worker: string): void;
}>;

type Read = Extract<HistoryLine, { kind: "read" }>;
type Kept = { readonly lines: HistoryLine[]; unchanged: Map<string, Read> | undefined };

/** What was seen, decided and done, and what came of it: under so many lines the ring of a worker explains nothing. */
const leastLines = 4;

export function createRecord(options: RecordOptions): History {
  const { clock, wallClock, size = 500, total = 20_000, sink, redactor = processRedactor } = options;
  const workers = new Map<string, Kept>();
  const text = (line: HistoryLine) => redactor.redactJson(JSON.stringify(line));

  function keptOf(worker: string): Kept {
    let kept = workers.get(worker);
    if (kept === undefined) {
      kept = { lines: [], unchanged: undefined };
      workers.set(worker, kept);
    }
    return kept;
  }

  function keep({ lines }: Kept, line: HistoryLine): void {
    lines.push(line);
    const limit = Math.min(size, Math.max(leastLines, Math.floor(total / workers.size)));
    // Cutting an eighth at a time keeps the cost of shifting an array off the path of each line.
    if (lines.length > limit + (limit >> 3)) lines.splice(0, lines.length - limit);
  }

  return {
    add(input, changed = true) {
      const line = { t: clock(), at: new Date(wallClock()).toISOString(), ...input } as HistoryLine;
      sink?.write(`${text(line)}\n`);
      const kept = keptOf(line.worker);
      if (line.kind === "read") {
        if (!changed) {
          kept.unchanged ??= new Map();
          kept.unchanged.set(line.trigger, line);
          return;
        }
        kept.unchanged?.delete(line.trigger);
      }
      if (line.kind === "decide") {
        for (const read of citedOf(kept, line.reads)) keep(kept, read);
      }
      keep(kept, lean(line));
    },
    lines(worker) {
      const kept = workers.get(worker);
      return kept?.lines.slice(-size).map(text);
    },
    forget(worker) {
      workers.delete(worker);
    },
  };
}

/** What a file has room for, and memory has not. */
function lean(line: HistoryLine): HistoryLine {
  if (line.kind !== "decide" || line.inputs === undefined) return line;
  const { inputs: _, ...rest } = line;
  return rest;
}

/** Takes the reads that a decision cites, and that changed nothing when they came, out of waiting. */
function citedOf({ unchanged }: Kept, reads: readonly (number | null)[]): readonly Read[] {
  if (unchanged === undefined || unchanged.size === 0) return [];
  const cited = [...unchanged.values()].filter((read) => reads.includes(read.id));
  for (const read of cited) unchanged.delete(read.trigger);
  return cited;
}
