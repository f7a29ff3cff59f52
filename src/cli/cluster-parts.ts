import { scalers } from "../../scalers/index.ts";
import { type Api, defineApi } from "../api/define.ts";
import { apiVersion } from "../api/meta.ts";
import type { SecretReaders } from "../api/secrets.ts";
import type { ScaledWorkerStatus } from "../api/status.ts";
import { brokers } from "../brokers/brokers.ts";
import { connectionMeaning } from "../cluster/connection-status.ts";
import type { Declarations, Watches } from "../cluster/declared.ts";
import { clusterConnectionKind, connectionKind, scaledWorkerKind } from "../cluster/kinds.ts";
import { watchedPodsBroker } from "../cluster/pods-broker.ts";
import { createPublisher, type Publisher } from "../cluster/publisher.ts";
import { meaningOf } from "../cluster/status.ts";
import { createTargets, type Targets } from "../cluster/targets.ts";
import { forgetShown, watchDeclared } from "../cluster/watches.ts";
import type { ControllerConfig } from "../config.ts";
import { BrokerError } from "../core/contract.ts";
import { createEvents, type Events } from "../kube/events.ts";
import { type Kind, KubeError } from "../kube/kube.ts";
import { createReferences, type References } from "../kube/references.ts";
import { createStatusWriter, type StatusWriter } from "../kube/status.ts";
import type { Log } from "../telemetry/log.ts";
import { keepSecret, redactor } from "../telemetry/redact.ts";
import { type House, type OpenRecord, openHouse, openRecord } from "./house.ts";
import type { Membership } from "./membership.ts";
import type { World } from "./world.ts";

export type ClusterOptions = Readonly<{
  config: ControllerConfig;
  /** Names that the page may be asked for by, besides addresses and loopback names. */
  hosts?: readonly string[] | undefined;
  /** File that history is appended to. */
  history?: string | undefined;
  log: Log;
}>;

/** What is declared, and how it stands, written back. */
export type Desk = Readonly<{
  api: Api;
  watches: Watches;
  writers: Readonly<Record<"ScaledWorker" | "QueueConnection" | "ClusterQueueConnection", StatusWriter>>;
  events: Events;
  references: References;
}>;

export function openDesk(
  { kube, identity, onProblem }: Membership,
  options: ClusterOptions,
  world: World,
  stack: AsyncDisposableStack,
): Desk {
  const told = { kube, clock: world.now, onProblem };
  const api = defineApi(scalers, brokers);
  const write = (kind: Kind, list: Exclude<keyof Watches, "autoscalers">, meaning: (status: object) => unknown) =>
    stack.use(createStatusWriter({ ...told, kind, meaning, observed: (key) => watches[list]?.get(key)?.observed }));
  const writers = {
    ScaledWorker: write(scaledWorkerKind, "workers", meaningOf),
    QueueConnection: write(connectionKind, "connections", connectionMeaning),
    ClusterQueueConnection: write(clusterConnectionKind, "clusterConnections", connectionMeaning),
  };
  const watches = watchDeclared({
    ...{ kube, api, onProblem, namespaces: options.config.namespaces },
    fingerprint: ({ kind }, status) => writers[kind as keyof typeof writers].fingerprint(status),
  });
  const { workers, connections, clusterConnections, autoscalers } = watches;
  for (const list of [workers, connections, clusterConnections, autoscalers]) if (list) stack.use(list);
  forgetShown(watches.workers, writers.ScaledWorker);
  forgetShown(watches.connections, writers.QueueConnection);
  if (watches.clusterConnections) forgetShown(watches.clusterConnections, writers.ClusterQueueConnection);
  const { redact } = redactor;
  const events = stack.use(createEvents({ ...told, controller: "worktide.dev/controller", instance: identity, redact }));
  const references = stack.use(createReferences({ kube, keepSecret, onProblem }));
  return { api, watches, writers, events, references };
}

/** All that works on ScaledWorkers. They look each other up here, whichever was made first. */
export type Parts = Membership &
  Desk & {
    readonly record: OpenRecord;
    targets: Targets;
    publisher: Publisher;
    house: House;
    /** Absent until all that is declared has been listed. */
    declarations?: Declarations;
  };

/** Puts the loop together: targets, decisions, and who tells of them. */
export async function openParts(
  member: Membership,
  desk: Desk,
  options: ClusterOptions,
  world: World,
  stack: AsyncDisposableStack,
) {
  const record = stack.use(await openRecord(options.history, options.log, world));
  const parts = { ...member, ...desk, record } as Parts;
  parts.targets = stack.use(targetsOf(parts, options, world));
  parts.publisher = stack.use(publisherOf(parts));
  parts.house = stack.use(await houseOf(parts, options, world));
  parts.onCalls((call) => parts.house.metrics.asked(call));
  return parts;
}

function targetsOf(parts: Parts, { config }: ClusterOptions, { now: clock }: World): Targets {
  const { kube, lease, onProblem, watches } = parts;
  return createTargets({
    ...{ kube, clock, onProblem, fence: lease.fence, namespaces: config.namespaces },
    status: (key) => watches.workers.get(key)?.status,
    changed: (key) => parts.publisher.touch(key),
    notice: (key, notice) => parts.publisher.notice(key, notice),
    failed: (doing, cause) => parts.house.failed(doing, cause),
  });
}

function publisherOf(parts: Parts): Publisher {
  const { watches, writers, events, lease, targets } = parts;
  const identityOf = (key: string) => {
    const { namespace = "", name = key, uid = "" } = watches.workers.get(key)?.parsed ?? {};
    return { namespace, name, uid };
  };
  const relatedTo = (key: string) => {
    const { namespace = "", worker } = watches.workers.get(key)?.parsed ?? {};
    return worker?.target.kind === "scale" ? { related: { ...worker.target.ref, namespace } } : {};
  };
  const { kind } = scaledWorkerKind;
  return createPublisher({
    snapshot: (key) => parts.house.ledger.briefOf(key),
    refused: (key) => parts.declarations?.refused(key),
    newest: (key) => {
      const { status, parsed } = watches.workers.get(key) ?? {};
      const wanted = parsed && writers.ScaledWorker.wanted(parsed.uid);
      return (wanted as ScaledWorkerStatus | undefined) ?? status;
    },
    target: (key) => {
      const spec = watches.workers.get(key)?.parsed.worker?.target;
      const name = spec?.kind === "scale" ? spec.ref.name : spec?.kind;
      return { name, memory: targets.memory(key) };
    },
    write: (key, next) => writers.ScaledWorker.write(identityOf(key), next),
    notify: (key, notice) => events.emit({ ...notice, regarding: { apiVersion, kind, ...identityOf(key) }, ...relatedTo(key) }),
    mayWrite: () => lease.isLeader(),
  });
}

function houseOf(parts: Parts, { config, hosts, log }: ClusterOptions, world: World): Promise<House> {
  const { lease, record, references, targets } = parts;
  return openHouse(
    {
      ...{ log, record, hosts, listen: config.listen, nearOnly: config.page === "loopback" },
      readers: readersOf(references),
      namespaced: config.namespaces !== undefined,
      brokers: [watchedPodsBroker(targets.pods, world.now)],
      openTarget: async (worker, { rules }) => targets.open(worker, rules),
      mayAct: () => lease.isLeader(),
      leading: () => lease.isLeader(),
      scaled: (key, { decision, applied }) => parts.publisher.scaled(key, decision, applied.size),
      ready: () =>
        parts.declarations === undefined
          ? { ready: false, message: "what is declared is being listed" }
          : { ready: true, message: "ready" },
    },
    world,
  );
}

/** Whoever may write a QueueConnection must not read the environment and files of the controller by it. */
function readersOf(references: References): SecretReaders {
  return {
    env: () => undefined,
    file: async () => undefined,
    async key({ kind, namespace, name, key }, signal) {
      try {
        return await references.value({ kind, namespace, name }, key, signal);
      } catch (cause) {
        if (!(cause instanceof KubeError)) throw cause;
        const message = `${kind} '${name}' may not be read by Worktide: see "Secrets and ConfigMaps" in docs/reference/permissions.md`;
        const problem = { kind: "unreachable", message: cause.message } as const;
        throw new BrokerError(cause.status === 403 ? { kind: "secret", message } : problem, { cause });
      }
    },
  };
}
