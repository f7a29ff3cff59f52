import { hostname } from "node:os";
import { scalers } from "../../scalers/index.ts";
import { defineApi } from "../api/define.ts";
import { apiVersion } from "../api/meta.ts";
import type { SecretReaders } from "../api/secrets.ts";
import { brokers } from "../brokers/brokers.ts";
import { connectionMeaning, publishConnections } from "../cluster/connection-status.ts";
import { type Declarations, followDeclarations } from "../cluster/declared.ts";
import { clusterConnectionKind, connectionKind, scaledWorkerKind } from "../cluster/kinds.ts";
import { createPublisher } from "../cluster/publisher.ts";
import { keepFinalizers } from "../cluster/restore.ts";
import { meaningOf } from "../cluster/status.ts";
import { createTargets } from "../cluster/targets.ts";
import { watchDeclared } from "../cluster/watches.ts";
import { openWebhook } from "../cluster/webhook.ts";
import type { ControllerConfig } from "../config.ts";
import { type Access, findAccess } from "../kube/access.ts";
import { createClient } from "../kube/client.ts";
import { createEvents } from "../kube/events.ts";
import { fenced } from "../kube/fenced.ts";
import { isKubeError, type Kind } from "../kube/kube.ts";
import { contend } from "../kube/lease.ts";
import { createReferences, type References } from "../kube/references.ts";
import { createStatusWriter } from "../kube/status.ts";
import type { Log } from "../telemetry/log.ts";
import { keepSecret, redactor } from "../telemetry/redact.ts";
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

/** Workers that come and go within so many ms are listed once. */
const listMs = 500;

/** A controller in a cluster. */
export interface RunningController {
  readonly url: string;
  readonly identity: string;
  /** Gives the lease away and ends; targets keep their sizes. */
  close(): Promise<void>;
}

/**
 * Puts the house together: watches → declarations → loops → targets, and status and events back. Every replica does all of
 * it, and the leader alone writes: so whoever follows it knows what it knew.
 */
export async function startController(options: ClusterOptions, world: World): Promise<RunningController> {
  const { config, log } = options;
  const { namespaces } = config;
  await using stack = new AsyncDisposableStack();
  const onProblem = (cause: unknown) => {
    // Whoever has lost the lease has what was under way refused: the leader does it.
    if (isKubeError(cause, "NotLeader")) return;
    log.warn({ reason: cause instanceof Error ? cause.message : String(cause) }, "API server");
  };
  const client = stack.use(await connect(config, onProblem, world));
  const identity = config.identity ?? world.env["POD_NAME"] ?? hostname();
  const leaseNamespace = config.leaseNamespace ?? client.namespace;
  const lease = stack.use(
    contend({
      kube: client,
      namespace: leaseNamespace,
      owner: client.ownerIn(leaseNamespace),
      name: config.leaseName,
      identity,
      durationMs: config.leaseDuration,
      clock: world.now,
      onProblem,
      settle: () => kube.settled(),
    }),
  );
  const kube = fenced(client, lease.fence);
  const told = { kube, clock: world.now, onProblem };
  const events = stack.use(
    createEvents({ ...told, controller: "worktide.dev/controller", instance: identity, redact: redactor.redact }),
  );
  const write = (kind: Kind, list: "workers" | "connections" | "clusterConnections", meaning: (status: object) => unknown) =>
    stack.use(createStatusWriter({ ...told, kind, meaning, observed: (key) => watches[list]?.get(key)?.observed }));
  const status = write(scaledWorkerKind, "workers", meaningOf);
  const writers = {
    QueueConnection: write(connectionKind, "connections", connectionMeaning),
    ClusterQueueConnection: write(clusterConnectionKind, "clusterConnections", connectionMeaning),
  };
  const api = defineApi(scalers, brokers);
  const watches = watchDeclared({
    ...{ kube, api, namespaces, onProblem },
    fingerprint: ({ kind }, told) => (kind === "ScaledWorker" ? status : writers.QueueConnection).fingerprint(told),
  });
  for (const list of [watches.workers, watches.connections, watches.clusterConnections]) if (list) stack.use(list);
  const references = stack.use(createReferences({ kube, keepSecret, onProblem }));
  const record = stack.use(await openRecord(options.history, world));
  const targets = stack.use(
    createTargets({
      ...told,
      namespaces,
      status: (key) => watches.workers.get(key)?.status,
      changed: (key) => publisher.touch(key),
      notice: (key, notice) => publisher.notice(key, notice),
      fence: lease.fence,
      failed: (doing, cause) => house.failed(doing, cause),
    }),
  );
  const identityOf = (key: string) => {
    const { namespace = "", name = key, uid = "" } = watches.workers.get(key)?.parsed ?? {};
    return { namespace, name, uid };
  };
  const publisher = stack.use(
    createPublisher({
      snapshot: (key) => house.ledger.briefOf(key),
      refused: (key) => declarations?.refused(key),
      published: (key) => watches.workers.get(key)?.status,
      target: (key) => {
        const spec = watches.workers.get(key)?.parsed.worker?.target;
        return {
          name: spec?.kind === "scale" ? spec.ref.name : spec?.kind,
          ...{ memory: targets.memory(key), original: targets.original(key) },
        };
      },
      write: (key, next) => status.write(identityOf(key), next),
      notify: (key, notice) =>
        events.emit({ ...notice, regarding: { apiVersion, kind: scaledWorkerKind.kind, ...identityOf(key) } }),
      mayWrite: () => lease.isLeader(),
    }),
  );
  let declarations: Declarations | undefined;
  const house = stack.use(
    await openHouse(
      {
        log,
        record,
        listen: config.listen,
        hosts: options.hosts,
        readers: readersOf(references),
        openTarget: async (worker) => targets.open(worker),
        mayAct: () => lease.isLeader(),
        leading: () => lease.isLeader(),
        scaled: (key, { decision, applied }) => publisher.scaled(key, decision, applied.size),
        ready: () =>
          declarations === undefined
            ? { ready: false, message: "what is declared is being listed" }
            : { ready: true, message: "ready" },
      },
      world,
    ),
  );
  const { controller, ledger, observer, failed } = house;
  if (config.webhook) {
    const { webhook: listen, leaseName: name, webhookCertDir: certDir } = config;
    stack.use(openWebhook({ listen, name, certDir, kube: client, api, watches, failed }));
  }
  const all = () => controller.managed();
  stack.defer(() => controller.close(() => {}));
  stack.defer(
    ledger.subscribe((hint) => {
      if ("worker" in hint) publisher.touch(`${hint.worker.namespace}/${hint.worker.name}`);
    }),
  );
  stack.defer(
    lease.onChange((leads) => {
      log.info({ identity, leads, holder: lease.holder() }, leads ? "leads" : "stands by");
      if (!leads) return;
      for (const { loop } of all()) loop.ask();
      publisher.touchAll(all().map(({ worker }) => worker.key));
    }),
  );
  let listing: NodeJS.Timeout | undefined;
  const relist = () => {
    listing = undefined;
    for (const gone of ledger.declared()) record.forget(gone);
  };
  stack.defer(() => clearTimeout(listing));
  stack.use(
    keepFinalizers({
      kube,
      workers: watches.workers,
      original: targets.original,
      mayWrite: () => lease.isLeader(),
      gaveUp: (key, reason) => publisher.notice(key, { reason: "NotRestored", message: `its target keeps its size: ${reason}` }),
    }),
  );
  stack.use(
    publishConnections({
      watches,
      writers,
      states: () => observer.connections(),
      users: (key) => declarations?.users(key) ?? 0,
      mayWrite: () => lease.isLeader() && declarations !== undefined,
      now: world.now,
    }),
  );
  const end = stack.move();
  void Promise.all([watches.workers.synced, watches.connections.synced, watches.clusterConnections?.synced]).then(() => {
    if (end.disposed) return;
    declarations = followDeclarations({
      watches,
      controller,
      changed(key) {
        if (watches.workers.get(key) === undefined) publisher.forget(key);
        else publisher.touch(key);
        listing ??= setTimeout(relist, listMs);
      },
      follow: ({ kind, namespace, name }) => references.use({ kind, namespace, name }, () => observer.checkSettings()),
      failed,
    });
    end.use(declarations);
    log.info({ workers: watches.workers.size, connections: watches.connections.size }, "what is declared is known");
  });
  return {
    url: house.url,
    identity,
    async close() {
      // First, and at once: the next leader waits for it. From now on nothing is written.
      await lease[Symbol.asyncDispose]();
      await end.disposeAsync();
    },
  };
}

async function connect({ kubeconfig, context }: ControllerConfig, onProblem: (cause: unknown) => void, world: World) {
  const found = await findAccess({ ...world.env, ...(kubeconfig !== undefined && { KUBECONFIG: kubeconfig }) });
  if (found === undefined) {
    throw new UsageError("found no cluster: run it in a pod, or name a kubeconfig with --kubeconfig or KUBECONFIG", 1);
  }
  const access: Access = "kubeconfig" in found && context !== undefined ? { ...found, context } : found;
  return createClient({ access, userAgent: `worktide/${world.version}`, clock: world.now, onProblem });
}

/** Whoever may write a QueueConnection must not read the environment and files of the controller by it. */
function readersOf(references: References): SecretReaders {
  return {
    env: () => undefined,
    file: async () => undefined,
    key: ({ kind, namespace, name, key }, signal) => references.value({ kind, namespace, name }, key, signal),
  };
}
