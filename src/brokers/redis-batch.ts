import { randomUUID } from "node:crypto";
import { ErrorReply } from "@redis/client";
import { BrokerError, type Problem } from "../core/contract.ts";
import type { RedisValue, Script, ScriptAnswer, ScriptQuery } from "./redis-client.ts";
import type { Identity } from "./redis-identity.ts";
import type { Link } from "./redis-link.ts";
import { redisProblem } from "./redis-problem.ts";
import { chunkWords, fits, type Program, programOf } from "./redis-script.ts";
import type { Tracker } from "./redis-tracker.ts";

/** What the script of one chunk may take, µs. The whole call, with reading the words and writing the answer, takes about a half more. */
const CHUNK_US = 1_200;
/** Before anything is known of a script's cost. */
const FIRST_SIZE = 100;
/** Taken for one query where the server's clock stands still within a script. */
const UNKNOWN_US = 20;
const MIN_SIZE = 4;
/** Of the cheapest: 500 were seen to take half a millisecond, and now and then eight times as long. */
const MAX_SIZE = 200;
/** Chunks under way at once: below the client's limit of commands. */
const WINDOW = 500;

/** The outcome of one query; {@link answerOf} tells whose data it is. */
export type Raw = RedisValue | Failed;

export class Failed {
  readonly problem: Problem;
  constructor(problem: Problem) {
    this.problem = problem;
  }
}

/** Asks one server, in chunks. */
export interface Batch {
  /** Cuts these queries (their indices; all) into chunks of the size that this script's cost allows now. */
  split(script: Script, queries: readonly ScriptQuery[], indices?: Chunk): readonly Chunk[];
  /** The outcome of each query of each chunk, in the order of the chunks. Rejects where the connection failed. */
  run(script: Script, queries: readonly ScriptQuery[], chunks: readonly Chunk[], how?: How): Promise<readonly (readonly Raw[])[]>;
}

/** Indices of queries. */
export type Chunk = readonly number[];

/** Answers for a chunk that Redis refused; with undefined, the refusal is the outcome of each of its queries. */
export type OnRefusal = (error: ErrorReply, chunk: Chunk) => Promise<readonly Raw[] | undefined>;

/** `asking`: in Cluster, of keys that are just on their way to this node. */
export type How = Readonly<{ refused?: OnRefusal; asking?: boolean }>;

type Cost = Readonly<{ us: number; queries: number }>;
/** All words of one question but for its nonce, which each time is put into its place; and the outcomes that it had last. */
type Words = Readonly<{ sha: string; command: string; all: string[]; nonceAt: number }> & { raws?: readonly Raw[] };
type Run = Readonly<{ program: Program; queries: readonly ScriptQuery[]; how: How; spent: Cost[] }>;

export function createBatch(link: Link, tracker: Tracker): Batch {
  const loaded = new Set<string>();
  /** µs per query, by script. */
  const costs = new Map<string, number>();
  /** First keys of queries that the user may not read: each one fails a whole chunk, so they are asked alone. */
  const denied = new Set<string>();
  let command = "EVALSHA_RO"; // Redis 7
  let arming = link.tracking;
  let count = 0;
  const nonces = randomUUID().slice(0, 8);
  /** What the same queries were cut into, and the words that each chunk was last asked with: rounds at rest make none anew. */
  const cuts = new WeakMap<readonly ScriptQuery[], Readonly<{ sha: string; size: number; chunks: readonly Chunk[] }>>();
  const asked = new WeakMap<Chunk, Words>();

  const load = async (program: Program) => {
    loaded.add(program.sha);
    await link.send(["SCRIPT", "LOAD", program.text]);
  };

  const arm = (queries: readonly ScriptQuery[], chunk: Chunk) => {
    const keys = tracker.claim(keysOf(queries, chunk));
    if (keys.length === 0) return;
    const armed = Promise.all([link.send(["CLIENT", "CACHING", "YES"]), link.send(["EXISTS", ...keys])]);
    // A hint less is no failure: there is polling.
    armed.catch((error: unknown) => {
      tracker.release(keys);
      if (/client\|caching/i.test(String(error))) arming = false;
    });
  };

  const wordsOf = ({ program, queries }: Run, chunk: Chunk, nonce: string): readonly string[] => {
    let words = asked.get(chunk);
    if (words?.sha !== program.sha || words.command !== command) {
      words = { sha: program.sha, command, ...chunkWords([command, program.sha], queries, chunk) };
      asked.set(chunk, words);
    }
    words.all[words.nonceAt] = nonce;
    return words.all;
  };

  const call = async (run: Run, chunk: Chunk): Promise<readonly RedisValue[]> => {
    const { queries, how } = run;
    if (arming && !how.asking) arm(queries, chunk);
    const nonce = `${nonces}-${count++}`;
    if (how.asking) link.send(["ASKING"]).catch(() => {}); // the next answer tells
    const reply = await link.send(wordsOf(run, chunk, nonce));
    if (fits(reply, nonce, chunk.length)) return reply;
    link.destroy(shiftedProblem);
    throw new BrokerError(shiftedProblem);
  };

  const callAgain = async (run: Run, chunk: Chunk): Promise<readonly RedisValue[]> => {
    try {
      return await call(run, chunk);
    } catch (error) {
      if (!(error instanceof ErrorReply)) throw error;
      if (/^NOSCRIPT/.test(error.message)) await load(run.program);
      else if (/unknown command.*EVALSHA_RO/i.test(error.message)) command = "EVALSHA";
      else throw error;
    }
    return call(run, chunk);
  };

  const ask = async (run: Run, chunk: Chunk): Promise<readonly Raw[]> => {
    const { queries, how, spent } = run;
    try {
      const reply = await callAgain(run, chunk);
      spent.push({ us: Number(reply[1]), queries: chunk.length });
      if (denied.size > 0 && chunk.length === 1) denied.delete(firstKey(queries[chunk[0] ?? 0]));
      const words = asked.get(chunk);
      // While nothing changes the same array stays: what is kept until the round ends would grow old, chunk by chunk.
      if (words?.raws && repeats(reply, words.raws)) return words.raws;
      // Inside an array, the client hands errors on as values.
      const raws = reply.slice(2).map((value: unknown, place) => {
        return value instanceof Error ? new Failed(problemWith(value, queries[chunk[place] ?? 0])) : (value as RedisValue);
      });
      if (words) words.raws = raws;
      return raws;
    } catch (error) {
      if (!(error instanceof ErrorReply)) throw error;
      const answered = await how.refused?.(error, chunk);
      if (answered) return answered;
      const isDenied = keyDenied.test(error.message);
      if (isDenied && chunk.length > 1) {
        const middle = chunk.length >> 1;
        return (await Promise.all([ask(run, chunk.slice(0, middle)), ask(run, chunk.slice(middle))])).flat();
      }
      if (isDenied) denied.add(firstKey(queries[chunk[0] ?? 0]));
      return chunk.map((index) => new Failed(problemWith(error, queries[index])));
    }
  };

  /** One chunk that Redis was interrupted in says little, a few queries are mostly the frame: the 80th percentile of a run. */
  const learn = ({ program, spent }: Run) => {
    const each = spent
      .filter(({ us, queries }) => queries >= 10 || us > CHUNK_US)
      .map(({ us, queries }) => (us > 0 ? us / queries : UNKNOWN_US));
    const cost = each.sort((a, b) => a - b)[Math.floor(each.length * 0.8)];
    const before = costs.get(program.sha) ?? 0;
    if (cost !== undefined) costs.set(program.sha, cost > before ? cost : (before + cost) / 2);
  };

  const sizeOf = (sha: string): number => {
    const cost = costs.get(sha);
    return cost === undefined ? FIRST_SIZE : Math.min(MAX_SIZE, Math.max(MIN_SIZE, Math.floor(CHUNK_US / cost)));
  };

  const cut = (indices: Chunk, queries: readonly ScriptQuery[], size: number): readonly Chunk[] => {
    const isDenied = (index: number) => denied.has(firstKey(queries[index]));
    const open = denied.size === 0 ? indices : indices.filter((index) => !isDenied(index));
    const chunks: Chunk[] = [];
    for (let from = 0; from < open.length; from += size) chunks.push(open.slice(from, from + size));
    if (denied.size > 0) for (const index of indices) if (isDenied(index)) chunks.push([index]);
    return chunks;
  };

  return {
    split(script, queries, indices) {
      const { sha } = programOf(script);
      const size = sizeOf(sha);
      const known = indices === undefined && denied.size === 0 ? cuts.get(queries) : undefined;
      // Costs vary a little: chunks stay while they are not too large, and not much too small.
      if (known?.sha === sha && known.size <= size && known.size * 2 > size) return known.chunks;
      const chunks = cut(indices ?? [...queries.keys()], queries, size);
      if (indices === undefined && denied.size === 0) cuts.set(queries, { sha, size, chunks });
      return chunks;
    },
    async run(script, queries, chunks, how = {}) {
      const run: Run = { program: programOf(script), queries, how, spent: [] };
      // Not waited for: Redis does one after the other, and the first answer tells if it failed.
      if (!loaded.has(run.program.sha)) load(run.program).catch(() => {});
      const all: (readonly Raw[])[] = [];
      for (let from = 0; from < chunks.length; from += WINDOW) {
        const window = chunks.slice(from, from + WINDOW).map((chunk) => ask(run, chunk));
        for (const raws of await Promise.all(window)) all.push(raws);
      }
      learn(run);
      return all;
    },
  };
}

/** Whether a reply has these very values; those that are arrays are new ones every time. */
function repeats(reply: readonly RedisValue[], raws: readonly Raw[]): boolean {
  for (let place = 0; place < raws.length; place++) if (reply[place + 2] !== raws[place]) return false;
  return true;
}

/** A reply was lost or came twice: those after it belong to other questions than it seems. */
export const shiftedProblem: Problem = {
  kind: "invalid",
  message: "an answer does not belong to its question: the connection was given up",
};

function problemWith(error: Error, query: ScriptQuery | undefined): Problem {
  const key = firstKey(query);
  if (/WRONGTYPE/.test(error.message))
    return { kind: "invalid", message: `key '${key}' holds another type than this trigger reads` };
  if (keyDenied.test(error.message)) return { kind: "auth", message: `the user may not read key '${key}'` };
  return redisProblem(error);
}

const keyDenied = /^NOPERM.*\bkey/i;

function* keysOf(queries: readonly ScriptQuery[], chunk: Chunk): Iterable<string> {
  for (const index of chunk) yield* queries[index]?.keys ?? [];
}

const firstKey = (query: ScriptQuery | undefined): string => query?.keys[0] ?? "";

/**
 * One outcome with the identity of its data; the one of `before` where it is the same. What a replica says may be old, and is
 * no answer.
 */
export function answerOf({ role, epoch }: Identity, raw: Raw, before?: ScriptAnswer): ScriptAnswer {
  if (role === "replica") return replicaAnswer;
  if (raw instanceof Failed) return raw;
  const same = before !== undefined && "value" in before && before.value === raw && before.epoch === epoch;
  return same ? before : { value: raw, epoch };
}

export const replicaProblem: Problem = {
  kind: "replica",
  message: "the server is a replica, whose numbers may be old: give the address of the primary, or Sentinel",
};
const replicaAnswer: ScriptAnswer = { problem: replicaProblem };
