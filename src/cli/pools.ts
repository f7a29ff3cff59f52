import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { digestOf } from "../api/digest.ts";
import type { ScaledWorker } from "../api/resolve.ts";
import type { ControllerHouse } from "../control/controller.ts";
import { holdsJob } from "../control/holds-job.ts";
import { createProcessTarget, type ProcessTarget } from "../targets/process.ts";
import type { HistoryInput } from "../telemetry/history.ts";
import type { Log } from "../telemetry/log.ts";
import type { World } from "./world.ts";

export type PoolsHouse = Readonly<{
  stateDir: string;
  world: Pick<World, "env" | "now">;
  log: Log;
  history: (line: HistoryInput) => void;
  /** Takes the output of workers, line by line. */
  output: (line: string) => void;
}>;

/** What of a worker changes while its target stays the same. */
export type Present = Parameters<ControllerHouse["openTarget"]>[1];

/** The local pools of this process: one folder of state for each command that a pool was ever started with. */
export interface Pools {
  /** @param present What is known of its triggers now, and the rules in force. */
  open(worker: ScaledWorker, present: Present): Promise<ProcessTarget>;
  /** Ends workers that an earlier worktide left and that nothing declares any more. Resolves when they are told. */
  endUndeclared(workers: readonly ScaledWorker[]): Promise<readonly ProcessTarget[]>;
}

const poolOf = ({ namespace, name }: Pick<ScaledWorker, "namespace" | "name">) =>
  namespace === "default" ? name : `${namespace}.${name}`;

/** Of a terminal, a session, npm: another value makes no other worker. */
const passing = /^(_|PWD|OLDPWD|INIT_CWD|SHLVL|COLUMNS|LINES|PPID|WINDOWID|TERM.*|COLORTERM|SSH_.*|XDG_SESSION_.*|npm_.*)$/i;

/**
 * Workers are taken over only by the same target with the same environment: those that were started with another
 * REDIS_URL would sit idle on another queue. Others finish their jobs and go.
 */
function folderOf(worker: ScaledWorker, env: World["env"]): string {
  const lasting = Object.entries(env).filter(([name]) => !passing.test(name));
  const digest = digestOf({ target: worker.target, env: Object.fromEntries(lasting) });
  return join(poolOf(worker), digest.slice(0, 8));
}

/** What a pool that nobody declares any more is opened with: nothing is started there. */
const nothing = { command: ["true"], cwd: "/", env: {}, stopSignal: "SIGTERM", stopGraceMs: 30_000, logs: "File" } as const;

export function createPools({ stateDir, world, log, history, output }: PoolsHouse): Pools {
  const shared = { clock: world.now, env: world.env, log, output } as const;
  const poolsDir = join(stateDir, "pools");

  const folders = () =>
    list(poolsDir).flatMap((pool) => list(join(poolsDir, pool)).map((digest) => ({ pool, folder: join(pool, digest) })));

  /** Folders in use: a pool that is declared anew while its former workers still leave gets another one. */
  const taken = new Set<string>();
  const take = (wanted: string) => {
    let folder = wanted;
    for (let again = 2; taken.has(folder); again++) folder = `${wanted}.${again}`;
    taken.add(folder);
    return folder;
  };

  return {
    async open(worker, { observations, rules }) {
      const spec = worker.target;
      if (spec.kind !== "process") throw new Error(`${worker.key} has no local processes`); // the check of the file lets none through
      const folder = take(folderOf(worker, world.env));
      const target = await createProcessTarget({
        ...shared,
        name: poolOf(worker),
        spec,
        get protect() {
          return rules().scaleDown.protect;
        },
        stateDir: join(poolsDir, folder),
        history: (line) => history({ ...line, worker: worker.key }),
        holdsJob: (id) => holdsJob(id, observations(), world.now()),
      });
      const found = target.pool()?.members?.length ?? 0;
      if (found > 0) log.info({ worker: worker.key, workers: found }, "took over workers of an earlier run");
      return {
        ...target,
        async [Symbol.asyncDispose]() {
          await target[Symbol.asyncDispose]();
          taken.delete(folder);
        },
      };
    },
    async endUndeclared(workers) {
      const declared = new Set(workers.map((worker) => folderOf(worker, world.env)));
      const names = new Set(workers.map(poolOf));
      const targets: ProcessTarget[] = [];
      for (const { pool, folder } of folders()) {
        if (declared.has(folder)) continue;
        const dir = join(poolsDir, folder);
        const target = await createProcessTarget({
          ...shared,
          name: pool,
          spec: nothing,
          protect: "busy",
          stateDir: dir,
          history,
          holdsJob: () => undefined,
        });
        const left = target.pool()?.members?.length ?? 0;
        if (left > 0) {
          const other = "ending workers of another command or environment than is declared now: jobs in hand first";
          log.warn({ pool, workers: left }, names.has(pool) ? other : "ending workers that nothing declares any more");
        }
        // Declared again meanwhile, it gets another folder: two targets must not have the same workers.
        taken.add(folder);
        void target[Symbol.asyncDispose]().then(() => {
          taken.delete(folder);
          // Hurried away before they were gone, the next worktide is to find them here.
          if (target.pool().members?.length === 0) rmSync(dir, { recursive: true, force: true });
        });
        if (left > 0) targets.push(target);
      }
      return targets;
    },
  };
}

function list(dir: string): readonly string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return []; // not there yet
  }
}
