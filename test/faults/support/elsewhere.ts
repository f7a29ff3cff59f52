import { setTimeout as pause } from "node:timers/promises";
import type { Elsewhere } from "./house.ts";
import { pool } from "./pools.ts";
import { calm, heldDuring } from "./scenario.ts";
import { type Stage, setStage } from "./stage.ts";

/** Longer than readings stay good (2 s): what was known before must not be all that holds the size. */
const longMs = 2500;

type Kind = Parameters<Stage["sees"]>[1];

/** One fault of a service that is not Redis: how it comes, what it is known as, how it goes. */
export type Fault = Readonly<{
  name: string;
  /** Undefined: readings go on. */
  sees: Kind;
  /** The connection is of no use meanwhile. */
  outage?: boolean;
  begin: (stage: Stage) => unknown;
  end: (stage: Stage) => unknown;
}>;

export type ElsewhereScenario = Readonly<{
  source: Elsewhere;
  /** The trigger on queue `backlog`, in which three jobs wait. */
  trigger: Readonly<Record<string, unknown>>;
  faults: readonly Fault[];
  /** Takes two of the three jobs away: a pool that is known again gets smaller again. Absent where that is not known at once. */
  shorten?: () => Promise<unknown>;
  /** More environment for worktide. */
  env?: Readonly<Record<string, string>>;
  /** Connections of ours at most, where its client cannot drop one at once. */
  clients?: number;
}>;

/**
 * One fault after the other under three workers, with a second trigger that wants none: the size is held through each, it
 * is known again by itself, and in the end it follows the queue again. Judged by all invariants.
 */
export async function heldThroughAll({ source, trigger, faults, shorten, env = {}, clients }: ElsewhereScenario): Promise<void> {
  const backlog = pool("backlog", { kind: "elsewhere", waitingPerReplica: 1, also: true, trigger });
  await using stage = await setStage({
    ...{ pools: [backlog, calm], elsewhere: source, env },
    ...(clients !== undefined && { constants: { clients } }),
  });
  await stage.settles("calm", 1);
  await stage.settles("backlog", 3);
  for (const { name, sees, outage = true, begin, end } of faults) {
    const scope = sees === undefined ? { readable: true } : { outage: true };
    await stage.fault({ fault: name, connection: "main", ...scope }, async () => {
      await begin(stage);
      await stage.sees("backlog", sees);
      // An answer that makes no sense is known at once; a connection that is gone must be held through.
      if (outage) await pause(longMs);
      await end(stage);
      await stage.sees("backlog", undefined);
    });
    await stage.settles("backlog", 3);
  }
  if (shorten) {
    await shorten();
    await stage.settles("backlog", 1);
  }
  const verdict = await stage.judge();
  for (const { name } of faults) heldDuring(verdict, name, ["backlog"]);
}

const passing = ({ proxy }: Stage) => proxy.set({ kind: "pass" });

/** Answers that come too late, in part, or spoilt: what a proxy makes of a service that is asked at every reading. */
export const answerFaults: readonly Fault[] = [
  { name: "slow", sees: "timeout", begin: ({ proxy }) => proxy.set({ kind: "delay", ms: 2500 }), end: passing },
  { name: "cut off", sees: "unreachable", begin: ({ proxy }) => proxy.set({ kind: "truncate", bytes: 20 }), end: passing },
];

/** What a proxy makes of any service. */
export const networkFaults: readonly Fault[] = [
  {
    name: "refused",
    sees: "unreachable",
    async begin({ proxy }) {
      await proxy.set({ kind: "refuse" });
      proxy.cut();
    },
    end: passing,
  },
  { name: "silent", sees: "timeout", begin: ({ proxy }) => proxy.set({ kind: "hole" }), end: passing },
];

/** Dials are taken, and never answered. */
export const mute: Fault = {
  name: "mute",
  sees: "timeout",
  async begin({ proxy }) {
    await proxy.set({ kind: "mute" });
    proxy.cut();
  },
  end: passing,
};

const nobody = "no-such-host.invalid";

/** What becomes of new connections, or of answers half-way, with any service that is dialled at 127.0.0.1 through the proxy. */
export const dialFaults: readonly Fault[] = [
  mute,
  {
    name: "cut off in the midst of an answer",
    sees: "unreachable",
    begin: ({ proxy }) => proxy.set({ kind: "truncate", bytes: 30 }),
    end: passing,
  },
  {
    name: "a name that nobody knows",
    sees: "unreachable",
    begin: (stage) => stage.write(stage.text().replace(`127.0.0.1:${stage.proxy.port}`, `${nobody}:${stage.proxy.port}`)),
    end: (stage) => stage.write(stage.text().replace(`${nobody}:${stage.proxy.port}`, `127.0.0.1:${stage.proxy.port}`)),
  },
];
