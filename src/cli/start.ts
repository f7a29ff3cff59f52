import type { Parsed } from "../api/parse.ts";
import { carryGenerations, type ScaledWorker } from "../api/resolve.ts";
import { brokers } from "../brokers/brokers.ts";
import type { Config } from "../config.ts";
import { type Controller, createController } from "../control/controller.ts";
import { createLedger } from "../control/ledger.ts";
import type { Decision } from "../core/decision.ts";
import { createObserver } from "../observe/create-observer.ts";
import type { ProcessTarget } from "../targets/process.ts";
import type { Target } from "../targets/target.ts";
import { openFileSink } from "../telemetry/file-sink.ts";
import type { Log } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { createRecord } from "../telemetry/record.ts";
import { createSeries } from "../telemetry/series.ts";
import { type Listening, listen } from "../web/listen.ts";
import { loadPage } from "../web/page.ts";
import { createWeb } from "../web/web.ts";
import { createPools } from "./pools.ts";
import { secretReaders } from "./secrets.ts";
import type { World } from "./world.ts";

export type StartOptions = Readonly<{
  parsed: Parsed;
  stateDir: string;
  listen: Config["listen"];
  /** Names that the page may be asked for by, besides addresses and loopback names. */
  hosts?: readonly string[] | undefined;
  /** File that history is appended to. */
  history?: string | undefined;
  log: Log;
  /** Takes the output of workers. */
  output: (line: string) => void;
  /** Instead of local processes. */
  openTarget?: (worker: ScaledWorker) => Promise<Target>;
}>;

/** A running Worktide. */
export interface Running {
  readonly url: string;
  readonly controller: Controller;
  /** Puts new documents in force. */
  declare(parsed: Parsed): Promise<void>;
  /** New documents had an error; tells so until better ones are declared. */
  refused(notice: string): void;
  /** Stops every worker, jobs in hand first, and then everything else. With `hurry` they are left to run by themselves. */
  close(hurry: AbortSignal): Promise<void>;
}

/** Puts the house together: observer → controller → pools, and what tells of them. */
export async function startWorktide(options: StartOptions, world: World): Promise<Running> {
  const { log, stateDir } = options;
  const byType = new Map(brokers.map((broker) => [broker.type, broker]));
  const sink = options.history === undefined ? undefined : await openFileSink(options.history);
  const record = createRecord({ clock: world.now, wallClock: Date.now, ...(sink && { sink }) });
  const failed = (doing: string, cause: unknown) => log.error({ doing, err: cause }, "something failed");

  const observer = createObserver({
    brokers: byType,
    clock: world.now,
    random: Math.random,
    onConnection: ({ name, up, problem }) => {
      if (up) log.info({ connection: name }, "connected");
      else log.warn({ connection: name, problem: problem?.kind, reason: problem?.message }, "connection is down");
    },
    onRound: ({ connection, ms }) => metrics.round(connection, ms),
    onFault: failed,
  });

  const pools = createPools({
    stateDir,
    world,
    log,
    output: options.output,
    history: record.add,
  });

  const find = ({ namespace, name }: ScaledWorker) => controller.find(namespace, name);
  const controller = createController({
    observer,
    brokers: byType,
    readers: secretReaders(world.env),
    wallClock: Date.now,
    openTarget: options.openTarget ?? ((worker, observations) => pools.open(worker, observations)),
    loopHouse: (worker) => ({
      now: world.now,
      history: record.add,
      failed: (doing, cause) => {
        metrics.wrote("failed");
        failed(doing, cause);
      },
      everyRead: sink !== undefined,
      observed: ({ watch }, { observation: { failure, reading }, changed }) => {
        if (failure !== undefined) metrics.readingFailed(watch.connection.name, watch.scaler.type, failure.problem.kind);
        const managed = changed || reading?.oldestMs !== undefined ? find(worker) : undefined;
        if (managed !== undefined) ledger.touched(managed);
      },
      decided: (decision: Decision) => {
        metrics.decided(decision);
        const managed = find(worker);
        if (managed !== undefined) ledger.decided(managed, decision);
      },
      scaled: ({ decision, applied, at, wokenAt }) => {
        const { from, reason, summary } = decision;
        log.info({ worker: worker.key, from, to: applied.size, reason, why: summary }, "scaled");
        metrics.wrote("ok", wokenAt === undefined ? undefined : at - wokenAt);
        const managed = find(worker);
        if (managed !== undefined) ledger.scaled(managed, decision, applied.size);
      },
    }),
    failed,
  });
  const ledger = createLedger({ controller: () => controller, series: createSeries(), now: world.now, wallClock: Date.now });
  const metrics = createMetrics({
    source: () => ({ workers: ledger.brief(), connections: controller.connections() }),
    version: world.version,
  });
  let notices: readonly string[] = [];
  const web = createWeb({
    snapshot: ledger,
    record,
    metrics,
    events: (listener) => ledger.subscribe(listener),
    page: await loadPage(),
    hosts: options.hosts ?? [],
    notices: () => notices,
    version: world.version,
    failed,
  });
  const listening: Listening = await listen(web.fetch, options.listen, new AbortController().signal);

  let workers: readonly ScaledWorker[] = [];
  const declare = async ({ workers: next, connections }: Parsed) => {
    const before = new Map(workers.map(({ key, generation }) => [key, generation]));
    workers = carryGenerations(workers, next);
    for (const { key: worker, generation } of workers) {
      const detail = before.has(worker) ? "changed" : "declared";
      if (before.get(worker) !== generation) record.add({ kind: "spec", worker, generation, detail });
    }
    await controller.declare({ workers, connections });
    notices = [];
    for (const key of ledger.declared()) record.forget(key);
  };
  const undeclared = await pools.endUndeclared(options.parsed.workers);
  await declare(options.parsed);

  return {
    url: listening.url,
    controller,
    declare,
    refused(notice) {
      notices = [notice];
      metrics.editRefused();
    },
    async close(hurry) {
      const targets = new Set<ProcessTarget>(undeclared);
      const abandon = () => {
        for (const target of targets) target.abandon();
      };
      hurry.addEventListener("abort", abandon, { once: true });
      const ended = controller.close((target) => targets.add(target as ProcessTarget));
      if (hurry.aborted) abandon();
      await Promise.all([ended, ...undeclared.map((target) => target[Symbol.asyncDispose]())]);
      web[Symbol.dispose]();
      await listening[Symbol.asyncDispose]();
      await observer[Symbol.asyncDispose]();
      await sink?.[Symbol.asyncDispose]();
    },
  };
}
