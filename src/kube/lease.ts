import { randomUUID } from "node:crypto";
import { isKubeError, isOlder, labelsOf, type ObjectRef } from "./kube.ts";
import type { Leadership, LeaseOptions } from "./leadership.ts";
import { type LeaseObject, type LeaseSpec, leaseKind, microTime, releasedSpec, takenSpec } from "./lease-record.ts";
import { createBell, until } from "./wait.ts";
import { watchList } from "./watch-list.ts";

const defaultDurationMs = 15_000;
const settleMs = 500;
const releaseMs = 1_000;

type Held = Readonly<{ spec: LeaseSpec; renewedAt: number }>;
type Seen = Readonly<{ lease: LeaseObject; at: number }>;

/** Contends for the Lease until it is disposed. */
export function contend(options: LeaseOptions): Leadership {
  const { kube, namespace, name, owner, durationMs = defaultDurationMs, clock = () => performance.now() } = options;
  const { onProblem = () => {}, settle = () => Promise.resolve() } = options;
  const identity = `${options.identity}_${randomUUID().slice(0, 8)}`;
  const renewMs = durationMs / 3;
  const retryMs = durationMs / 7;
  /** Between the end of our last write and the earliest moment at which another may take over. */
  const marginMs = Math.min(2_000, durationMs / 5);
  const ref: ObjectRef = { kind: leaseKind, namespace, name };
  const ending = new AbortController();
  const call = { lane: "lease", deadlineMs: Math.max(1_000, durationMs / 5) } as const;
  const now = { ...call, signal: ending.signal };
  const bell = createBell();
  const listeners = new Set<(leading: boolean) => void>();

  let held: Held | undefined;
  let seen: Seen | undefined;
  let told = false;
  /** Terms grow for ever: also when somebody deletes the Lease, and it begins anew. */
  let newest: number | undefined;
  let absentOnce = false;
  /** Of a write nobody knows whether it was done. */
  let unsure = false;

  const leftMs = () => (held === undefined || ending.signal.aborted ? 0 : held.renewedAt + durationMs - marginMs - clock());
  const fence = () => Math.max(0, leftMs());
  const isLeader = () => leftMs() > 0;

  function tell(): void {
    const leading = isLeader();
    if (leading === told) return;
    told = leading;
    for (const listener of [...listeners]) {
      try {
        listener(leading);
      } catch (error) {
        onProblem(error);
      }
    }
  }

  /** What the store holds, by a read or a watch. Whoever else it names, we are not leading. */
  function observe(lease: LeaseObject | undefined): void {
    if (lease && seen && !isOlder(versionOf(seen.lease), versionOf(lease))) return;
    note(lease);
    if (lease?.spec?.holderIdentity !== identity) held = undefined;
    tell();
  }

  function note(lease: LeaseObject | undefined): void {
    seen = lease && { lease, at: clock() };
    if (lease !== undefined) newest = Math.max(newest ?? 0, lease.spec?.leaseTransitions ?? 0);
  }

  /** Sends our spec on what was seen last, or makes the Lease. Time counts from before it was sent. */
  async function write(spec: LeaseSpec): Promise<void> {
    const sentAt = clock();
    const lease = seen?.lease;
    unsure = true;
    const written = lease
      ? await kube.update<LeaseObject>(ref, { ...lease, spec }, now)
      : await kube.create<LeaseObject>(
          leaseKind,
          { metadata: { name, namespace, labels: labelsOf("controller"), ...(owner && { ownerReferences: [owner] }) }, spec },
          now,
        );
    unsure = false;
    // The watch may have told of a later version while our answer was on its way: then somebody else holds it already.
    if (seen && seen.lease.spec?.holderIdentity !== identity && isOlder(written.metadata.resourceVersion, versionOf(seen.lease)))
      return;
    note(written);
    held = { spec, renewedAt: sentAt };
    tell();
  }

  const read = async () => {
    try {
      observe(await kube.get<LeaseObject>(ref, now));
    } catch (error) {
      if (!isKubeError(error, "NotFound")) throw error;
      observe(undefined);
    }
  };

  /** Whether another one holds it: it has said so within the time that its own record grants. */
  const freeInMs = () => {
    const { holderIdentity = "", leaseDurationSeconds = durationMs / 1_000 } = seen?.lease.spec ?? {};
    if (holderIdentity === "" || holderIdentity === identity || !seen) return 0;
    return seen.at + leaseDurationSeconds * 1_000 - clock();
  };

  /** One turn; resolves with how long to wait before the next, ms. */
  async function turn(): Promise<number> {
    if (isLeader() && held) {
      const dueInMs = held.renewedAt + renewMs - clock();
      if (dueInMs > 0) return dueInMs;
      await write({ ...held.spec, renewTime: microTime() });
      return renewMs;
    }
    tell();
    held = undefined;
    // A healthy leader is heard of at every renewal: when it is not, the watch may be what is silent.
    if (!seen || clock() - seen.at > renewMs * 1.5) await read();
    const waitMs = freeInMs();
    if (waitMs > 0) return Math.min(waitMs, retryMs);
    if (!seen && !absentOnce) {
      absentOnce = true; // somebody deleted it: whoever did may make it again, and so may the others
      return Math.random() * retryMs;
    }
    absentOnce = false;
    await write(takenSpec(newest, identity, durationMs));
    return renewMs;
  }

  async function run(): Promise<void> {
    while (!ending.signal.aborted) {
      let waitMs = retryMs;
      try {
        waitMs = await turn();
      } catch (error) {
        onProblem(error);
        waitMs = retryMs * (0.5 + Math.random() / 2);
        await reread();
      }
      // A leader that cannot renew is woken when its time is over, to say so.
      await bell.wait(isLeader() ? Math.min(waitMs, leftMs() + 1) : waitMs, ending.signal);
      tell();
    }
  }

  /** After a write that was refused or whose outcome is unknown, only the store knows. */
  async function reread(): Promise<void> {
    if (ending.signal.aborted) return;
    const before = held;
    try {
      await read();
      unsure = false;
    } catch {
      return; // the next turn tells
    }
    if (seen?.lease.spec?.holderIdentity !== identity || !before) return;
    const renewed = seen.lease.spec.renewTime !== before.spec.renewTime;
    held = { ...before, spec: renewed ? seen.lease.spec : before.spec };
  }

  async function release(): Promise<void> {
    if (seen?.lease.spec?.holderIdentity !== identity && !unsure) return;
    await until(settle(), AbortSignal.timeout(settleMs)).catch(onProblem);
    for (let tries = 0; tries < 2; tries++) {
      try {
        const lease =
          tries === 0 && !unsure && seen ? seen.lease : await kube.get<LeaseObject>(ref, { ...call, deadlineMs: releaseMs });
        if (lease.spec?.holderIdentity !== identity) return;
        await kube.update(ref, { ...lease, spec: releasedSpec(lease.spec) }, { ...call, deadlineMs: releaseMs });
        return;
      } catch (error) {
        onProblem(error);
      }
    }
  }

  const watched = watchList<LeaseObject, LeaseObject>(
    kube,
    { kind: leaseKind, namespaces: [namespace], fieldSelector: `metadata.name=${name}` },
    (lease) => lease,
    { clock, onProblem },
  );
  watched.onChange((_, lease) => {
    observe(lease);
    if (lease?.spec?.holderIdentity !== identity) bell.ring();
  });
  const running = run();

  return {
    identity,
    isLeader,
    fence,
    term: () => (isLeader() ? (held?.spec.leaseTransitions ?? 0) : undefined),
    holder: () => seen?.lease.spec?.holderIdentity || undefined,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async [Symbol.asyncDispose]() {
      ending.abort();
      tell();
      await running;
      await release();
      await watched[Symbol.asyncDispose]();
    },
  };
}

const versionOf = ({ metadata }: LeaseObject) => metadata.resourceVersion;
