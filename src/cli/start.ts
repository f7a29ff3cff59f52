import type { Parsed } from "../api/parse.ts";
import { carryGenerations, type ScaledWorker } from "../api/resolve.ts";
import type { Controller } from "../control/controller.ts";
import type { ProcessTarget } from "../targets/process.ts";
import type { Target } from "../targets/target.ts";
import { type HouseOptions, openHouse, openRecord } from "./house.ts";
import { createPools } from "./pools.ts";
import { secretReaders } from "./secrets.ts";
import type { World } from "./world.ts";

export type StartOptions = Pick<HouseOptions, "listen" | "hosts" | "log"> &
  Readonly<{
    parsed: Parsed;
    stateDir: string;
    /** File that history is appended to. */
    history?: string | undefined;
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

/** Sizes pools of local processes, as documents declare them. */
export async function startWorktide(options: StartOptions, world: World): Promise<Running> {
  const { log, stateDir, output } = options;
  const record = await openRecord(options.history, log, world);
  const pools = createPools({ stateDir, world, log, output, history: record.add });
  let notices: readonly string[] = [];
  const house = await openHouse(
    {
      ...options,
      record,
      readers: secretReaders(world.env),
      notices: () => notices,
      openTarget: options.openTarget ?? ((worker, present) => pools.open(worker, present)),
    },
    world,
  );
  const { controller, ledger, metrics } = house;

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
    url: house.url,
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
      await house[Symbol.asyncDispose]();
      await record[Symbol.asyncDispose]();
    },
  };
}
