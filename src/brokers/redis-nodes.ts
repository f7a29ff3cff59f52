import { BrokerError, type Problem } from "../core/contract.ts";
import { parseHostPort } from "./host-port.ts";
import { type Batch, createBatch } from "./redis-batch.ts";
import { type Link, openLink } from "./redis-link.ts";
import { redisProblem } from "./redis-problem.ts";
import type { RedisAddress, RedisSettings } from "./redis-settings.ts";
import { parseSlots, type Slots } from "./redis-slots.ts";
import type { Tracker } from "./redis-tracker.ts";
import { createEnding } from "./session.ts";

/** A node that answers. */
export type Node = Readonly<{ link: Link; batch: Batch }>;

/** The primaries of a cluster, each with one connection. */
export interface Nodes {
  slots(): Slots;
  /** The node, or why there is no connection to it; then another attempt is on its way, with growing pauses. */
  get(address: string): Node | Problem;
  any(): Node | undefined;
  /** Asks a node who has which slot, and connects to those that are new. One question at a time. */
  refresh(): Promise<void>;
  /** Settles once no node is left. */
  readonly lost: Promise<Problem>;
  destroy(): void;
}

const DIAL_MS = 2_000;
const CAP_MS = 5_000;
const FLOOR_MS = 100;
const REFRESH_MS = 30_000;

type Entry = { node?: Node; problem: Problem; failures: number; dialling?: Promise<void>; pause?: NodeJS.Timeout };

/** Connects to every primary that `seeds` tell of; at least one must answer. Throws BrokerError. */
export async function openNodes(
  settings: RedisSettings,
  seeds: readonly string[],
  tracker: Tracker,
  signal: AbortSignal,
): Promise<Nodes> {
  const entries = new Map<string, Entry>();
  const { lost, gone, destroy } = createEnding(() => {
    clearInterval(timer);
    for (const { node, pause } of entries.values()) {
      clearTimeout(pause);
      node?.link.destroy();
    }
    entries.clear();
  });
  let slots: Slots = [];
  let refreshing: Promise<void> | undefined;

  const dial = (address: string): Promise<void> => {
    const entry = entries.get(address) ?? {
      problem: { kind: "unreachable", message: `${address} is not connected yet` },
      failures: 0,
    };
    entries.set(address, entry);
    if (entry.node || gone()) return Promise.resolve();
    clearTimeout(entry.pause);
    entry.dialling ??= connect(address, entry).finally(() => {
      delete entry.dialling;
    });
    return entry.dialling;
  };

  const connect = async (address: string, entry: Entry) => {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), DIAL_MS);
    try {
      const link = await openLink(
        { address: addressFor(address, settings), tls: settings.tls, onInvalidate: tracker.changed },
        limit.signal,
      );
      if (gone() || !entries.has(address)) return link.destroy();
      entry.node = { link, batch: createBatch(link, tracker) };
      entry.failures = 0;
      tracker.changed(null); // what was armed on an earlier connection is not armed on this one
      void link.lost.then((problem) => {
        delete entry.node;
        failed(address, entry, problem);
        if (!any()) destroy(problem);
        else void refresh().catch(() => {}); // a replica may have taken its place
      });
    } catch (error) {
      failed(address, entry, redisProblem(error));
    } finally {
      clearTimeout(timer);
    }
  };

  const failed = (address: string, entry: Entry, problem: Problem) => {
    entry.problem = { kind: problem.kind, message: `node ${address}: ${problem.message}` };
    if (gone() || entries.get(address) !== entry) return;
    entry.failures++;
    const ceiling = Math.min(CAP_MS, FLOOR_MS * 2 ** Math.min(entry.failures, 10));
    entry.pause = setTimeout(() => void dial(address), FLOOR_MS + Math.random() * (ceiling - FLOOR_MS));
    entry.pause.unref();
  };

  const any = () => [...entries.values()].find(({ node }) => node !== undefined)?.node;

  const take = (next: Slots) => {
    if (slots.length > 0 && next.some((address, slot) => address !== slots[slot])) tracker.changed(null);
    slots = next;
    const wanted = new Set(next.filter((address) => address !== undefined));
    for (const [address, entry] of entries) {
      if (wanted.has(address)) continue;
      entries.delete(address);
      clearTimeout(entry.pause);
      entry.node?.link.destroy();
    }
    return Promise.all([...wanted].map(dial));
  };

  const refresh = (): Promise<void> => {
    refreshing ??= (async () => {
      const node = any();
      if (!node) throw new BrokerError({ kind: "unreachable", message: "no node of the cluster answers" });
      const next = parseSlots(await node.link.send(["CLUSTER", "SLOTS"]), node.link.address);
      await take(next);
    })().finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  };

  const timer = setInterval(() => void refresh().catch(() => {}), REFRESH_MS);
  timer.unref();
  const giveUp = () => destroy();
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    await take(await askSeeds(settings, seeds, signal));
    if (!any()) {
      const why = gone() ?? [...entries.values()][0]?.problem;
      throw new BrokerError(why ?? { kind: "missing", message: "the cluster has no slots" });
    }
  } catch (error) {
    destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }

  return {
    slots: () => slots,
    get(address) {
      const entry = entries.get(address);
      if (entry?.node) return entry.node;
      if (!entry) void dial(address);
      return entry?.problem ?? { kind: "unreachable", message: `node ${address} is not connected yet` };
    },
    any,
    refresh,
    lost,
    destroy,
  };
}

/** The slots as the first seed that answers has them. */
async function askSeeds(settings: RedisSettings, seeds: readonly string[], signal: AbortSignal): Promise<Slots> {
  let failure = new BrokerError({ kind: "unreachable", message: "no node of the cluster is given" });
  for (const seed of seeds) {
    let link: Link | undefined;
    try {
      link = await openLink({ address: addressFor(seed, settings), tls: settings.tls }, signal);
      return parseSlots(await link.send(["CLUSTER", "SLOTS"]), seed);
    } catch (error) {
      const { kind, message } = redisProblem(error);
      failure = new BrokerError({ kind, message: `node ${seed}: ${message}` }, { cause: error });
      if (signal.aborted) break;
    } finally {
      link?.destroy();
    }
  }
  throw failure;
}

function addressFor(address: string, { username, password, tls }: RedisSettings): RedisAddress {
  const login = { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
  return { ...parseHostPort(address), ...login, database: 0, tls: tls !== undefined };
}
