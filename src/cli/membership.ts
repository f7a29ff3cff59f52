import { hostname } from "node:os";
import type { ControllerConfig } from "../config.ts";
import { type Access, findAccess } from "../kube/access.ts";
import type { CallRecord } from "../kube/caller.ts";
import { createClient, type KubeClient } from "../kube/client.ts";
import { type FencedKube, fenced } from "../kube/fenced.ts";
import { isKubeError } from "../kube/kube.ts";
import type { Leadership } from "../kube/leadership.ts";
import { contend } from "../kube/lease.ts";
import type { Log } from "../telemetry/log.ts";
import { UsageError } from "./usage-error.ts";
import type { World } from "./world.ts";

/** What one process is in its cluster: a client of the API server that contends for the Lease. */
export type Membership = Readonly<{
  identity: string;
  /** Writes whoever leads. */
  client: KubeClient;
  /** Writes of the leader: refused once another one may lead. */
  kube: FencedKube;
  lease: Leadership;
  /** A call of the API server failed, and nobody waits for it. */
  onProblem: (cause: unknown) => void;
  /** Tells of every request, of those that went before too. Once. */
  onCalls: (listener: (call: CallRecord) => void) => void;
}>;

/** Connects and begins to contend for the Lease; what it opens goes with `stack`. */
export async function joinCluster(
  config: ControllerConfig,
  log: Log,
  world: World,
  stack: AsyncDisposableStack,
): Promise<Membership> {
  const onProblem = (cause: unknown) => {
    // Whoever has lost the lease has what was under way refused: the leader does it.
    if (isKubeError(cause, "NotLeader")) return;
    log.warn({ reason: cause instanceof Error ? cause.message : String(cause) }, "API server");
  };
  const calls = createCallRelay();
  const { version, now: clock } = world;
  const access = await accessOf(config, world);
  const client = stack.use(
    await createClient({ access, userAgent: `worktide/${version}`, clock, onProblem, onCall: calls.tell }),
  );
  const identity = config.identity ?? world.env["POD_NAME"] ?? hostname();
  const namespace = config.leaseNamespace ?? client.namespace;
  const lease = stack.use(
    contend({
      kube: client,
      namespace,
      owner: client.ownerIn(namespace),
      name: config.leaseName,
      identity,
      durationMs: config.leaseDuration,
      clock,
      onProblem,
      settle: () => kube.settled(),
    }),
  );
  const kube = fenced(client, lease.fence);
  return { identity, client, kube, lease, onProblem, onCalls: calls.listen };
}

async function accessOf({ kubeconfig, context }: ControllerConfig, { env }: World): Promise<Access> {
  const found = await findAccess({ ...env, ...(kubeconfig !== undefined && { KUBECONFIG: kubeconfig }) });
  if (found === undefined) {
    throw new UsageError("found no cluster: run it in a pod, or name a kubeconfig with --kubeconfig or KUBECONFIG", 1);
  }
  return "kubeconfig" in found && context !== undefined ? { ...found, context } : found;
}

/** The client calls before there is anything that counts. */
function createCallRelay() {
  let early: CallRecord[] = [];
  let tell: (call: CallRecord) => void = (call) => early.push(call);
  return {
    tell: (call: CallRecord) => tell(call),
    listen(listener: (call: CallRecord) => void) {
      tell = listener;
      for (const call of early) listener(call);
      early = [];
    },
  };
}
