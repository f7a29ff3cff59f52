import { isOlder } from "../../../src/kube/kube.ts";
import { type History, touches, type WriteLine } from "./history.ts";
import type { ApiLine, Violation } from "./lines.ts";

/** Invariants of a cluster, from the API server's own record beside what the controllers say of themselves. */

const isDone = ({ code }: ApiLine) => code < 300;
const isWrite = ({ verb }: ApiLine) => verb !== "get";
const byVersion = (a: ApiLine, b: ApiLine) => (isOlder(a.version ?? "", b.version ?? "") ? -1 : 1);

/** Sizes that were written, by the order of the store; of one target, or of all. */
const sizes = (history: History, worker: string): readonly ApiLine[] =>
  history
    .of("api")
    .filter((line) => line.what === "scale" && line.name === worker && isWrite(line) && isDone(line))
    .toSorted(byVersion);

/** Writes of each Lease: two installations by mistake have two. */
const leases = (history: History): readonly (readonly ApiLine[])[] => {
  const all = history.of("api").filter((line) => line.what === "lease" && isWrite(line) && isDone(line));
  return [...Map.groupBy(all, ({ name }) => name).values()].map((one) => one.toSorted(byVersion));
};

const ours = (history: History) => new Set(Object.values(history.plan.cluster?.users ?? {}));

const violation = (invariant: string, line: ApiLine | WriteLine, message: string): Violation => ({
  invariant,
  t: line.t,
  message,
  lines: [line],
});

/** What a controller tells of a write, by the account that it speaks as: the one under way when the request came in, or next to it. */
function toldOf(history: History, { by, name, receivedAt }: ApiLine): WriteLine | undefined {
  const { users = {} } = history.plan.cluster ?? {};
  const away = ({ sentAt, endedAt }: WriteLine) => Math.max(0, sentAt - receivedAt, receivedAt - endedAt);
  const near = history
    .of("write")
    .filter((write) => users[write.run] === by && write.worker === name && away(write) <= history.constants.slackMs);
  return near.toSorted((a, b) => away(a) - away(b))[0];
}

/** I5. One writer per target and term: terms of our writes never go back, and no two holders share one. */
export function oneWriterPerTerm(history: History): Violation[] {
  return leases(history).flatMap((all) => {
    const holders = new Map<number, string>();
    const users = ours(history);
    const shared = all.flatMap((lease) => {
      if (!users.has(lease.by) || !lease.holder || lease.term === undefined) return [];
      const known = holders.get(lease.term) ?? lease.holder;
      holders.set(lease.term, known);
      return known === lease.holder ? [] : [violation("I5", lease, `${known} and ${lease.holder} share the term ${lease.term}`)];
    });
    return [...shared, ...history.workers.flatMap(([worker]) => termsGoUp(history, worker, all))];
  });
}

function termsGoUp(history: History, worker: string, leases: readonly ApiLine[]): Violation[] {
  let newest = -1;
  return sizes(history, worker).flatMap((size) => {
    const term = leases.findLast((lease) => lease.by === size.by && isOlder(lease.version ?? "", size.version ?? ""))?.term;
    if (term === undefined) return [];
    if (term < newest) return [violation("I5", size, `${worker} was written in the term ${term} after one of ${newest}`)];
    newest = term;
    return [];
  });
}

/** I6. The Lease covers the write: whoever writes a size holds the Lease then, and has renewed it within its length. */
export function leaseCoversWrite(history: History): Violation[] {
  const { leaseMs = 0 } = history.plan.cluster ?? {};
  const all = leases(history);
  const users = ours(history);
  return history.workers.flatMap(([worker]) =>
    sizes(history, worker).flatMap((size) => {
      if (!users.has(size.by)) return [];
      const its = all.find((leases) => leases.some(({ by }) => by === size.by)) ?? [];
      const lease = its.findLast(({ version = "" }) => isOlder(version, size.version ?? ""));
      if (lease?.by !== size.by || !lease.holder) {
        return [violation("I6", size, `${size.by} wrote ${worker} while ${lease?.holder || "nobody"} held the Lease`)];
      }
      const ageMs = size.receivedAt - lease.receivedAt;
      return ageMs <= leaseMs
        ? []
        : [violation("I6", size, `${size.by} wrote ${worker} ${Math.round(ageMs)} ms after its renewal`)];
    }),
  );
}

/** I7. No lost update: every size is written on a version or a size, and after one whose fate is unknown the store is asked first. */
export function noLostUpdate(history: History): Violation[] {
  const users = ours(history);
  return history.workers.flatMap(([worker]) => {
    const all = history.of("api").filter((line) => line.what === "scale" && line.name === worker && users.has(line.by));
    const asked = all.toSorted((a, b) => a.receivedAt - b.receivedAt);
    return asked.flatMap((line, index) => {
      if (!isWrite(line)) return [];
      if (!line.before && line.atSize === undefined && line.code !== 403)
        return [violation("I7", line, `${worker} was written whatever its version and its size`)];
      const prior = asked.slice(0, index).findLast((one) => isWrite(one) && one.by === line.by);
      if (prior === undefined || !isUnknown(history, prior)) return [];
      const looked = asked.some(
        (one) => !isWrite(one) && one.by === line.by && one.receivedAt > prior.receivedAt && one.t < line.t,
      );
      return looked
        ? []
        : [violation("I7", line, `${worker} was written again, and nobody knew what had become of the write before`)];
    });
  });
}

/** Whether the controller could not know what became of it. */
const isUnknown = (history: History, write: ApiLine) =>
  write.code >= 500 || (isDone(write) && toldOf(history, write)?.outcome === "failed");

/** I11, the other way round: every size of ours that the store took is one that a controller tells of, and none tells of another. */
export function recordAgrees(history: History): Violation[] {
  if (history.plan.cluster === undefined) return [];
  const { users } = history.plan.cluster;
  const known = ours(history);
  const { slackMs } = history.constants;
  return history.workers.flatMap(([worker, expected]) => {
    const all = sizes(history, worker);
    const died = (by: string, t: number) =>
      history.of("proc").some((proc) => proc.event === "exit" && users[proc.run] === by && Math.abs(proc.t - t) < slackMs + 8000);
    const untold = all.flatMap((size) => {
      if (!known.has(size.by) || died(size.by, size.t) || toldOf(history, size) !== undefined) return [];
      return [violation("I11", size, `${worker} was written as ${size.replicas}, and nobody tells of it`)];
    });
    const untrue = history.writes(worker).flatMap((write) => {
      // What an API server that was killed had done, its record may not have.
      const away = history.faults.some(
        (fault) => touches(fault, worker, expected) && fault.from < write.endedAt && fault.to > write.sentAt,
      );
      const done = all.some(
        (size) => size.by === users[write.run] && size.replicas === write.to && toldOf(history, size) === write,
      );
      return done || away ? [] : [violation("I11", write, `${worker} is said to have been written as ${write.to}, and was not`)];
    });
    return [...untold, ...untrue];
  });
}

/** I14. Read your writes: after a size was taken, no decision of that process begins from an older one. */
export function readYourWrites(history: History): Violation[] {
  if (history.plan.cluster === undefined) return [];
  return history.workers.flatMap(([worker]) => {
    const all = sizes(history, worker);
    const writes = history.writes(worker);
    return history.of("decide").flatMap((decide) => {
      if (decide.worker !== worker) return [];
      const last = writes.findLast((write) => write.run === decide.run && write.endedAt <= decide.t);
      const own = last && all.find((size) => toldOf(history, size) === last);
      if (last === undefined || own === undefined || history.decision(last)?.uid !== decide.uid) return [];
      const since = all.filter(({ version = "", receivedAt }) => receivedAt <= decide.t && !isOlder(version, own.version ?? ""));
      if (since.some(({ replicas }) => replicas === decide.decision.from)) return [];
      // The store may have taken what the API server gave up on.
      const undecided = history
        .of("api")
        .filter((line) => line.what === "scale" && line.name === worker && line.code >= 500 && line.receivedAt >= own.receivedAt);
      if (undecided.some((line) => line.receivedAt <= decide.t && toldOf(history, line)?.to === decide.decision.from)) return [];
      const message = `decision ${decide.id} begins from ${decide.decision.from}, and ${last.to} had been written`;
      return [{ invariant: "I14", t: decide.t, message, lines: [decide] }];
    });
  });
}

/** I16. Respect of others: once somebody has turned our size back three times within ten minutes, we lower it no more. */
export function othersAreRespected(history: History): Violation[] {
  const users = ours(history);
  return history.workers.flatMap(([worker]) => {
    const all = sizes(history, worker);
    return all.flatMap((size, index) => {
      const from = all[index - 1]?.replicas;
      if (!users.has(size.by) || from === undefined || (size.replicas ?? 0) >= from) return [];
      const turned = all.slice(0, index).filter((other, at) => {
        const prior = all[at - 1];
        if (prior === undefined || users.has(other.by) || !users.has(prior.by)) return false;
        return size.receivedAt - other.receivedAt < 600_000 && other.replicas === all[at - 2]?.replicas;
      });
      return turned.length < 3
        ? []
        : [violation("I16", size, `${worker} was lowered though it had been turned back ${turned.length} times`)];
    });
  });
}

/** I26. Stale never lowers: the store is asked for the size between deciding and writing a smaller one. */
export function staleNeverLowers(history: History): Violation[] {
  const users = ours(history);
  return history.workers.flatMap(([worker]) => {
    const reads = history
      .of("api")
      .filter((line) => line.what === "scale" && line.name === worker && !isWrite(line) && isDone(line));
    return sizes(history, worker).flatMap((size) => {
      const told = toldOf(history, size);
      if (!users.has(size.by) || told === undefined || told.to >= told.from) return [];
      const { slackMs } = history.constants;
      const asked = reads.some((read) => read.by === size.by && read.receivedAt >= told.sentAt - slackMs && read.t <= size.t);
      return asked ? [] : [violation("I26", size, `${worker} was lowered without asking the store`)];
    });
  });
}

/** I30. Hand-over: a Lease that was given away is taken within a try and a second, one of a leader that died within its length. */
export function leadershipIsHandedOver(history: History): Violation[] {
  const { leaseMs = 0 } = history.plan.cluster ?? {};
  const { slackMs, writeMs } = history.constants;
  const retryMs = leaseMs / 7;
  const pairs = leases(history).flatMap((all) => all.slice(1).map((lease, index) => ({ lease, prior: all[index] })));
  return pairs.flatMap(({ lease, prior }) => {
    if (prior === undefined || !lease.holder || lease.holder === prior.holder) return [];
    const ready = history
      .of("proc")
      .find((proc) => proc.event === "ready" && history.plan.cluster?.users[proc.run] === lease.by)?.t;
    const from = Math.max(prior.receivedAt, ready ?? 0);
    // While nobody can reach the API server nobody takes over.
    const away = history.faults.some(
      ({ line, from: begin, to }) => line.process === undefined && begin < lease.t && to > prior.t,
    );
    const allowed = (prior.holder === "" ? retryMs + 1000 : leaseMs + retryMs + writeMs) + slackMs;
    const gapMs = lease.receivedAt - from;
    return away || gapMs <= allowed ? [] : [violation("I30", lease, `nobody led for ${Math.round(gapMs)} ms`)];
  });
}

/** I10, of status: one is written only when it says something else than the one before, but for its times. */
export function statusSaysSomethingNew(history: History): Violation[] {
  const all = history.of("api").filter((line) => line.what === "status" && isDone(line));
  return [...Map.groupBy(all, ({ name }) => name).values()].flatMap((one) =>
    one.toSorted(byVersion).flatMap((status, index, told) => {
      const prior = told[index - 1];
      if (prior === undefined || prior.by !== status.by || prior.meaning !== status.meaning) return [];
      const blurred = history.faults.some(({ from, to }) => from < status.t && to + 10_000 > prior.receivedAt);
      return blurred ? [] : [violation("I10", status, `the status of ${status.name} was written again as it was`)];
    }),
  );
}
