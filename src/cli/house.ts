import type { SecretReaders } from "../api/secrets.ts";
import { brokers } from "../brokers/brokers.ts";
import type { Config } from "../config.ts";
import { type Controller, type ControllerHouse, createController } from "../control/controller.ts";
import { createLedger, type Ledger } from "../control/ledger.ts";
import type { LoopHouse } from "../control/worker-loop.ts";
import type { Readiness } from "../control/worker-snapshot.ts";
import type { AnyBroker } from "../core/contract.ts";
import { createObserver } from "../observe/create-observer.ts";
import type { Observer } from "../observe/observer.ts";
import { openFileSink } from "../telemetry/file-sink.ts";
import type { Log } from "../telemetry/log.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics.ts";
import { createRecord, type History } from "../telemetry/record.ts";
import { createSeries } from "../telemetry/series.ts";
import { listen } from "../web/listen.ts";
import { loadPage } from "../web/page.ts";
import { createWeb } from "../web/web.ts";
import { createTroubleLog } from "./trouble-log.ts";
import type { World } from "./world.ts";

export type HouseOptions = Readonly<{
  listen: Config["listen"];
  /** Names that the page may be asked for by, besides addresses and loopback names. */
  hosts?: readonly string[] | undefined;
  /** Page and API are for those only who come over the loopback. */
  nearOnly?: boolean;
  record: OpenRecord;
  log: Log;
  readers: SecretReaders;
  /** No ClusterQueueConnection is seen from here. */
  namespaced?: boolean;
  /** In place of those of the same type: what can be dialled in this house only. */
  brokers?: readonly AnyBroker[];
  openTarget: ControllerHouse["openTarget"];
  /** Default: always. See {@link LoopHouse.mayAct}. */
  mayAct?: LoopHouse["mayAct"];
  /** A size was applied. */
  scaled?: LoopHouse["scaled"];
  /** Whether this replica leads; absent where nobody is elected. */
  leading?: () => boolean;
  notices?: () => readonly string[];
  ready?: () => Readiness;
}>;

/** What is seen, decided and done, in memory and, where that was asked for, in a file. */
export type OpenRecord = History & AsyncDisposable & Readonly<{ isFile: boolean }>;

/** @param file File that it is appended to. */
export async function openRecord(file: string | undefined, log: Log, { now }: Pick<World, "now">): Promise<OpenRecord> {
  const failed = (cause: Error) =>
    log.warn({ file, reason: cause.message }, "history cannot be written: nothing more goes there");
  const sink = file === undefined ? undefined : await openFileSink(file, failed).catch((cause: Error) => unopened(file, cause));
  return {
    ...createRecord({ clock: now, wallClock: Date.now, ...(sink && { sink }) }),
    isFile: sink !== undefined,
    [Symbol.asyncDispose]: async () => sink?.[Symbol.asyncDispose](),
  };
}

function unopened(file: string, cause: Error): never {
  throw new Error(`cannot append history to '${file}': ${cause.message}`, { cause });
}

/** What every run has, whatever its workers are: observer → controller, and what tells of them. */
export interface House extends AsyncDisposable {
  /** Where page, API and metrics are served. */
  readonly url: string;
  readonly controller: Controller;
  readonly observer: Observer;
  readonly ledger: Ledger;
  readonly metrics: Metrics;
  failed(doing: string, cause: unknown): void;
}

/** Puts it together. Disposing of it ends everything but the targets, which {@link Controller.close} ends. */
export async function openHouse(options: HouseOptions, world: World): Promise<House> {
  const { log, record } = options;
  const byType = new Map([...brokers, ...(options.brokers ?? [])].map((broker) => [broker.type, broker]));
  const failed = (doing: string, cause: unknown) => log.error({ doing, err: cause }, "something failed");

  let decisions = 0;
  const troubles = createTroubleLog(log);
  const observer = createObserver({
    brokers: byType,
    clock: world.now,
    random: Math.random,
    everyRead: record.isFile,
    onConnection: troubles.connection,
    onRound: ({ connection, ms }) => metrics.round(connection, ms),
    onFault: failed,
  });
  const controller = createController({
    observer,
    brokers: byType,
    readers: options.readers,
    namespaced: options.namespaced,
    wallClock: Date.now,
    openTarget: options.openTarget,
    loops: {
      now: world.now,
      history: record.add,
      failed: (doing, cause) => {
        metrics.wrote("failed");
        failed(doing, cause);
      },
      inFull: record.isFile,
      nextDecision: () => ++decisions,
      mayAct: options.mayAct ?? (() => true),
      observed: (worker, trigger, { observation: { failure, reading }, changed }) => {
        const { connection, scaler } = trigger.watch;
        if (failure !== undefined) metrics.readingFailed(connection.name, scaler.type, failure.problem.kind);
        troubles.read(worker, trigger, failure);
        const managed = changed || reading?.oldestMs !== undefined ? controller.find(worker) : undefined;
        if (managed !== undefined) ledger.touched(managed);
      },
      decided: (worker, decision) => {
        metrics.decided(decision);
        const managed = controller.find(worker);
        if (managed !== undefined) ledger.decided(managed, decision);
      },
      scaled: (worker, change) => {
        const { decision, applied, at, wokenAt } = change;
        const { from, reason, summary } = decision;
        log.info({ worker, from, to: applied.size, reason, why: summary }, "scaled");
        metrics.wrote("ok", wokenAt === undefined ? undefined : at - wokenAt);
        const managed = controller.find(worker);
        if (managed !== undefined) ledger.scaled(managed, decision, applied.size);
        options.scaled?.(worker, change);
      },
    },
    failed,
  });
  const ledger = createLedger({ controller: () => controller, series: createSeries(), now: world.now, wallClock: Date.now });
  const metrics = createMetrics({
    source: () => ({
      workers: ledger.brief(),
      connections: controller.connections(),
      ...(options.leading && { leading: options.leading() }),
    }),
    version: world.version,
  });
  const web = createWeb({
    snapshot: ledger,
    record,
    metrics,
    events: (listener) => ledger.subscribe(listener),
    page: await loadPage(),
    hosts: options.hosts ?? [],
    nearOnly: options.nearOnly ?? false,
    ...(options.notices && { notices: options.notices }),
    ...(options.ready && { ready: options.ready }),
    version: world.version,
    failed,
  });
  const listening = await listen(web.fetch, options.listen, new AbortController().signal);

  return {
    url: listening.url,
    controller,
    observer,
    ledger,
    metrics,
    failed,
    async [Symbol.asyncDispose]() {
      web[Symbol.dispose]();
      await listening[Symbol.asyncDispose]();
      await observer[Symbol.asyncDispose]();
    },
  };
}
