import { publishConnections } from "../cluster/connection-status.ts";
import { type Declarations, followDeclarations } from "../cluster/declared.ts";
import { removeOrphans } from "../cluster/job-orphans.ts";
import { keepFinalizers } from "../cluster/restore.ts";
import { openWebhook } from "../cluster/webhook.ts";
import type { ControllerConfig } from "../config.ts";
import type { Log } from "../telemetry/log.ts";
import { type ClusterOptions, openDesk, openParts, type Parts } from "./cluster-parts.ts";
import { joinCluster } from "./membership.ts";
import type { World } from "./world.ts";

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
  await using stack = new AsyncDisposableStack();
  const member = await joinCluster(config, log, world, stack);
  const desk = openDesk(member, options, world, stack);
  const parts = await openParts(member, desk, options, world, stack);
  const { lease, watches, house } = parts;
  openWebhookOf(parts, config, stack);
  stack.defer(() => house.controller.close(() => {}));
  stack.defer(tellOnChange(parts));
  stack.defer(tellOnLeading(parts, log));
  stack.use(finalizersOf(parts));
  stack.use(orphansOf(parts, config));
  stack.use(connectionsOf(parts, world));
  const end = stack.move();
  void Promise.all([watches.workers.synced, watches.connections.synced, watches.clusterConnections?.synced]).then(() => {
    if (end.disposed) return;
    parts.declarations = end.use(declare(parts, end));
    log.info({ workers: watches.workers.size, connections: watches.connections.size }, "what is declared is known");
  });
  return {
    url: house.url,
    identity: member.identity,
    async close() {
      // First, and at once: the next leader waits for it. From now on nothing is written.
      await lease[Symbol.asyncDispose]();
      await end.disposeAsync();
    },
  };
}

function openWebhookOf({ client, api, watches, house }: Parts, config: ControllerConfig, stack: AsyncDisposableStack): void {
  const { webhook: listen, leaseName: name, webhookCertDir: certDir } = config;
  if (listen === undefined) return;
  stack.use(openWebhook({ listen, name, certDir, kube: client, api, watches, failed: house.failed }));
}

/** Whatever is seen, decided or done may show in a status. */
function tellOnChange({ house, publisher }: Parts): () => void {
  return house.ledger.subscribe((hint) => {
    if ("worker" in hint) publisher.touch(`${hint.worker.namespace}/${hint.worker.name}`);
  });
}

/** What was only decided until now is done by whoever leads; who does not any more lets go of what only the leader listens to. */
function tellOnLeading({ identity, lease, house, publisher, watches }: Parts, log: Log): () => void {
  return lease.onChange((leads) => {
    log.info({ identity, leads, holder: lease.holder() }, leads ? "leads" : "stands by");
    for (const { loop } of house.controller.managed()) loop.ask();
    // Those that were refused too, which have no loop: nobody told of them while nobody led.
    if (leads) publisher.touchAll([...watches.workers.entries()].map(([key]) => key));
  });
}

function finalizersOf({ kube, watches, house, lease, publisher }: Parts): AsyncDisposable {
  return keepFinalizers({
    ...{ kube, workers: watches.workers, failed: house.failed },
    mayWrite: () => lease.isLeader(),
    gaveUp: (key, reason) => publisher.notice(key, { reason: "NotRestored", message: `its target keeps its size: ${reason}` }),
  });
}

function orphansOf({ kube, watches, lease, house }: Parts, { namespaces }: ControllerConfig): AsyncDisposable {
  const { failed } = house;
  return removeOrphans({ ...{ kube, namespaces, failed }, workers: watches.workers, mayWrite: () => lease.isLeader() });
}

function connectionsOf(parts: Parts, { now }: World): Disposable {
  const { watches, writers, house, lease } = parts;
  return publishConnections({
    ...{ watches, writers, now },
    states: () => house.observer.connections(),
    users: (key) => parts.declarations?.users(key) ?? 0,
    mayWrite: () => lease.isLeader() && parts.declarations !== undefined,
  });
}

/** Puts in force what the API server declares, and keeps it so. */
function declare({ watches, house, publisher, references, record }: Parts, stack: AsyncDisposableStack): Declarations {
  const { controller, ledger, observer, failed } = house;
  let listing: NodeJS.Timeout | undefined;
  stack.defer(() => clearTimeout(listing));
  const relist = () => {
    listing = undefined;
    for (const gone of ledger.declared()) record.forget(gone);
  };
  return followDeclarations({
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
}
