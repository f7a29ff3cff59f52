import { hostname } from "node:os";
import { scalers } from "../../scalers/index.ts";
import { defineApi } from "../api/define.ts";
import { apiVersion } from "../api/meta.ts";
import type { ScaledWorker } from "../api/resolve.ts";
import type { SecretReaders } from "../api/secrets.ts";
import { brokers } from "../brokers/brokers.ts";
import { followDeclarations } from "../cluster/declared.ts";
import { scaledWorkerKind } from "../cluster/kinds.ts";
import { createPublisher } from "../cluster/publisher.ts";
import { meaningOf, refusalOf } from "../cluster/status.ts";
import { watchDeclared } from "../cluster/watches.ts";
import type { ControllerConfig } from "../config.ts";
import { type Access, findAccess } from "../kube/access.ts";
import { createClient } from "../kube/client.ts";
import { createEvents } from "../kube/events.ts";
import { fenced } from "../kube/fenced.ts";
import { contend } from "../kube/lease.ts";
import { createReferences, type References } from "../kube/references.ts";
import { createStatusWriter } from "../kube/status.ts";
import { createTargets } from "../cluster/targets.ts";
import { keepSecret, redactor } from "../telemetry/redact.ts";
import type { Log } from "../telemetry/log.ts";
import { openHouse, openRecord } from "./house.ts";
import { UsageError } from "./usage-error.ts";
import type { World } from "./world.ts";

export type ClusterOptions = Readonly<{
  config: ControllerConfig;
  /** Names that the page may be asked for by, besides addresses and loopback names. */
  hosts?: readonly string[] | undefined;
  /** File that history is appended to. */
  history?: string | undefined;
  log: Log;
}>;

/** A controller in a cluster. */
export interface RunningController {
  readonly url: string;
  readonly identity: string;
  /** Gives the lease away and ends; targets keep their sizes. */
  close(): Promise<void>;
}

/**
 * Puts the house together: watches → declarations → loops → targets, and status and events back. Every replica does all of
 * it, the leader alone writes: whoever follows it knows what it knew.
 */
export async function startController(options: ClusterOptions, world: World): Promise<RunningController> {
  const { config, log } = options;
  const { namespaces } = config;
  const problem = (cause: unknown) => log.warn({ err: cause }, "the API server could not be asked");
  const kube = await createClient({
    access: await accessOf(config, world),
    userAgent: `worktide/${world.version}`,
    clock: world.now,
    onProblem: problem,
  });
  const identity = config.identity ?? world.env["POD_NAME"] ?? hostname();
  const lease = contend({
    kube,
    namespace: config.leaseNamespace ?? kube.namespace,
    name: config.leaseName,
    identity,
    durationMs: config.leaseDuration,
    clock: world.now,
    onProblem: problem,
    settle: () => writer.settled(),
  });
  const writer = fenced(kube, lease.fence);
  const events = createEvents({
    kube: writer,
    controller: "worktide.dev/controller",
    instance: identity,
    redact: redactor.redact,
    clock: world.now,
    onProblem: problem,
  });
  const status = createStatusWriter({
    kube: writer,
    kind: scaledWorkerKind,
    observed: (key) => watches.workers.get(key)?.observed,
    meaning: meaningOf,
    clock: world.now,
    onProblem: problem,
  });
  const api = defineApi(scalers, brokers);
  const watches = watchDeclared({ kube, api, namespaces, fingerprint: status.fingerprint, onProblem: problem });
  const references = createReferences({ kube, keepSecret, onProblem: problem });
  const record = await openRecord(options.history, world);
  const targets = createTargets({
    kube: writer,
    namespaces,
    clock: world.now,
    status: (key) => watches.workers.get(key)?.status ?? {},
    changed: (key) => publisher.touch(key),
    notice: (key, notice) => publisher.notice(key, notice),
    failed: (doing, cause) => house.failed(doing, cause),
    onProblem: problem,
  });
  const regarding = (key: string) => {
    const { namespace, name, uid } = watches.workers.get(key)?.parsed ?? { namespace: "", name: key, uid: "" };
    return { namespace, name, uid };
  };
  const publisher = createPublisher({
    snapshot: (key) => house.ledger.briefOf(key),
    refused: (key) => refusalOf(watches.workers.get(key)?.parsed),
    published: (key) => watches.workers.get(key)?.status,
    target: (key) => targetOf(declarations?.worker(key)),
    memory: (key) => targets.memory(key),
    write: (key, next) => status.write(regarding(key), next),
    notify: (key, notice) => events.emit({ regarding: { apiVersion, kind: "ScaledWorker", ...regarding(key) }, ...notice }),
    mayWrite: () => lease.isLeader(),
  });
  const house = await openHouse(
    {
      listen: config.listen,
      hosts: options.hosts,
      record,
      log,
      readers: readersOf(references),
      openTarget: async (worker) => targets.open(worker),
      mayAct: () => lease.isLeader(),
      scaled: (key, { decision, applied }) => publisher.scaled(key, decision, applied.size),
      ready: () => (declarations === undefined ? { ready: false, message: "listing what is declared" } : { ready: true, message: "ready" }),
    },
    world,
  );
  house.ledger.subscribe((hint) => {
    if ("namespace" in (hint as { worker: object }).worker) publisher.touch(keyOfHint(hint));
  });
  let declarations: ReturnType<typeof followDeclarations> | undefined;
}
