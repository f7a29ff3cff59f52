import { setTimeout as pause } from "node:timers/promises";
import { BrokerError, type Problem, type Session } from "../core/contract.ts";
import { abortable } from "./abortable.ts";
import { answerOf, type Chunk, Failed, type OnRefusal } from "./redis-batch.ts";
import type { RedisReader, Script, ScriptAnswer, ScriptQuery } from "./redis-client.ts";
import { type Node, type Nodes, openNodes } from "./redis-nodes.ts";
import { redisProblem } from "./redis-problem.ts";
import type { RedisSettings } from "./redis-settings.ts";
import { verified } from "./redis-single.ts";
import { redirection, slotOf } from "./redis-slots.ts";
import { createTracker } from "./redis-tracker.ts";
import { readingSession } from "./session.ts";

/** How long one node may take, ms: less than a reading may, so that the other nodes' answers are not lost with it. */
const NODE_MS = 1_000;
/** A slot may move again while we follow it. */
const PASSES = 3;
const RESUBSCRIBE_MS = 500;

/** A Redis Cluster: each slot is read from its primary, and a node that is lost is a problem of its keys only. */
export async function openCluster(
  settings: RedisSettings,
  cluster: NonNullable<RedisSettings["cluster"]>,
  signal: AbortSignal,
): Promise<Session<RedisReader>> {
  const tracker = createTracker();
  const nodes = await openNodes(settings, cluster.nodes, tracker, signal);
  const client: RedisReader = {
    database: 0,
    evaluate: (script, queries, until) => abortable(evaluate(nodes, script, queries), until),
    command: (words, until, key) => abortable(command(nodes, words, key), until),
    onChange: tracker.watch,
    subscribe: (pattern, listener, until) => subscribe(nodes, pattern, listener, until),
  };
  return readingSession(client, { ...nodes, warning: nodes.any()?.link.warning });
}

const moving: Problem = { kind: "loading", message: "its slot is moving to another node of the cluster" };

async function evaluate(nodes: Nodes, script: Script, queries: readonly ScriptQuery[]): Promise<readonly ScriptAnswer[]> {
  const answers = new Array<ScriptAnswer>(queries.length).fill({ problem: moving });
  let open: Chunk = [...queries.keys()];
  for (let pass = 0; pass < PASSES && open.length > 0; pass++) {
    if (pass > 0) await Promise.race([nodes.refresh().catch(() => {}), pause(NODE_MS)]);
    const moved: number[] = [];
    const each = [...byNode(nodes, queries, open)].map(([address, slots]) =>
      askNode(nodes, address, { script, queries, slots, answers, moved }),
    );
    await Promise.all(each);
    open = moved;
  }
  return answers;
}

/** Indices of queries by address of the node and by slot; keys in several slots cannot be read together. */
function byNode(nodes: Nodes, queries: readonly ScriptQuery[], open: Chunk): Map<string, Map<number, number[]>> {
  const slots = nodes.slots();
  const map = new Map<string, Map<number, number[]>>();
  for (const index of open) {
    const slot = slotOf(queries[index]?.keys[0] ?? "");
    const address = slots[slot] ?? "";
    const ofNode = map.get(address) ?? new Map<number, number[]>();
    map.set(address, ofNode);
    const ofSlot = ofNode.get(slot);
    if (ofSlot) ofSlot.push(index);
    else ofNode.set(slot, [index]);
  }
  return map;
}

type Asked = Readonly<{
  script: Script;
  queries: readonly ScriptQuery[];
  slots: ReadonlyMap<number, Chunk>;
  /** Filled in. */
  answers: ScriptAnswer[];
  /** Filled with what is to be asked again, at another node. */
  moved: number[];
}>;

async function askNode(nodes: Nodes, address: string, asked: Asked): Promise<void> {
  const { script, queries, slots, answers } = asked;
  const node = address === "" ? unserved : nodes.get(address);
  const chunks = [...slots.values()].flatMap((indices) =>
    "link" in node ? node.batch.split(script, queries, indices) : [indices],
  );
  const fill = (chunk: Chunk, answerAt: (place: number) => ScriptAnswer) => {
    for (const [place, index] of chunk.entries()) answers[index] = answerAt(place);
  };
  if (!("link" in node)) {
    for (const chunk of chunks) fill(chunk, () => ({ problem: node }));
    return;
  }
  try {
    const refused = follow(nodes, node, asked);
    const [raws, identity] = await inTime(
      node,
      Promise.all([node.batch.run(script, queries, chunks, { refused }), node.link.identity()]),
    );
    for (const [at, chunk] of chunks.entries()) fill(chunk, (place) => answerOf(identity, raws[at]?.[place] ?? null));
  } catch (error) {
    const { kind, message } = redisProblem(error);
    for (const chunk of chunks) fill(chunk, () => ({ problem: { kind, message: `node ${address}: ${message}` } }));
  }
}

const unserved: Problem = { kind: "unreachable", message: "no node of the cluster serves its slot" };

/**
 * What to do where a node refuses a chunk. MOVED: ask again, once it is known where. ASK: the keys have gone to the
 * slot's next node already, which answers to those who say so. TRYAGAIN: some have, so that several cannot be read at
 * once, but one by one.
 */
function follow(nodes: Nodes, node: Node, asked: Pick<Asked, "script" | "queries" | "moved">, asking = false): OnRefusal {
  const { script, queries, moved } = asked;
  const refused: OnRefusal = async (error, chunk) => {
    const to = redirection(error.message, node.link.address);
    if (to?.kind === "MOVED") {
      moved.push(...chunk);
      return chunk.map(() => new Failed(moving));
    }
    if (to?.kind === "ASK" && !asking) {
      const other = nodes.get(to.address);
      if (!("link" in other)) return chunk.map(() => new Failed(other));
      const [raws] = await inTime(
        other,
        other.batch.run(script, queries, [chunk], { asking: true, refused: follow(nodes, other, asked, true) }),
      );
      return raws;
    }
    if (!error.message.startsWith("TRYAGAIN") || chunk.length === 1) return undefined;
    const single = chunk.map((index) => [index]);
    const raws = await node.batch.run(script, queries, single, { refused, asking });
    return raws.flat();
  };
  return refused;
}

/** A node that does not answer in time is given up, and dialled anew. */
async function inTime<T>({ link }: Node, work: Promise<T>): Promise<T> {
  const timer = setTimeout(() => link.destroy({ kind: "timeout", message: `no answer within ${NODE_MS / 1000} s` }), NODE_MS);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}

async function command(nodes: Nodes, words: readonly string[], key: string | undefined) {
  const address = key === undefined ? undefined : nodes.slots()[slotOf(key)];
  const node = address === undefined ? nodes.any() : nodes.get(address);
  if (!node || !("link" in node)) throw new BrokerError(node ?? unserved);
  try {
    return await inTime(node, verified(node.link, words));
  } catch (error) {
    if (!/MOVED|ASK/.test(String(error))) throw error;
    await nodes.refresh();
    const next = nodes.get(nodes.slots()[slotOf(key ?? "")] ?? "");
    if (!("link" in next)) throw new BrokerError(next);
    return inTime(next, verified(next.link, words));
  }
}

/** Every node hears what is published on any: one is enough, and another one when it is lost. */
async function subscribe(
  nodes: Nodes,
  pattern: string,
  listener: (channel: string, message: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const node = nodes.any();
  if (!node) throw new BrokerError(unserved);
  await abortable(node.link.subscribe(pattern, listener, signal), signal);
  let ended = false;
  void nodes.lost.then(() => {
    ended = true;
  });
  const again = async () => {
    if (signal.aborted || ended) return;
    await pause(RESUBSCRIBE_MS);
    await subscribe(nodes, pattern, listener, signal).catch(again);
  };
  void node.link.lost.then(again);
}
