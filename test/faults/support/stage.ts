import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import type { TriggerSnapshot, WorkerSnapshot } from "../../../src/control/worker-snapshot.ts";
import { type Line, parseLines } from "../../support/checker/lines.ts";
import { createNotes, type House, openHouse, type StageOptions } from "./house.ts";
import { beginLives, type Lives } from "./lives.ts";
import { createLoad, type Load } from "./load.ts";
import { createWatcher, kill } from "./proc.ts";
import { createSteps, type Steps, type Verdict } from "./steps.ts";
import { createWitness, type Witness } from "./witness.ts";

type ProblemKind = NonNullable<TriggerSnapshot["problem"]>["kind"];

/** A worktide under test: real Redis behind a proxy, real workers, a second Redis that stays well, observers of everything. */
export type Stage = AsyncDisposable &
  Pick<House, "dir" | "redis" | "proxy" | "admin" | "password" | "passwordPath"> &
  Pick<Lives, "life" | "text" | "write" | "edit" | "killAndRestart" | "killAtRequest" | "restart"> &
  Pick<Load, "enqueue" | "pauseQueue"> &
  Pick<Witness, "processes"> &
  Omit<Steps, "wait" | "judgeBy"> &
  Readonly<{
    trigger(pool: string): Promise<TriggerSnapshot | undefined>;
    snapshot(pool: string): Promise<WorkerSnapshot>;
    /** Waits until the trigger has a problem of this kind, or none with `undefined`. */
    sees(pool: string, problem: ProblemKind | undefined, ms?: number): Promise<void>;
    /** Ends everything and judges it by all invariants. */
    judge(): Promise<Verdict>;
  }>;

export async function setStage(options: StageOptions): Promise<Stage> {
  await using undo = new AsyncDisposableStack();
  const notes = createNotes();
  const { note, now } = notes;
  const house = await openHouse(options, notes, undo);
  const load = createLoad(options, house, undo);
  // Taken down after worktide, or it would start its workers again.
  undo.defer(() => {
    for (const { pid } of createWatcher(house.journal)()) kill(pid, "SIGKILL");
  });
  const lives = await beginLives(options, house, notes, undo);
  const snapshots = async () => {
    const text = await lives.ask("/api/v1/workers");
    note({ kind: "output", t: now(), source: "api", text });
    return (JSON.parse(text) as { workers: WorkerSnapshot[] }).workers;
  };
  const witness = createWitness(options.pools, house, notes, snapshots);
  undo.defer(witness.stop);

  const recorded = async (): Promise<Line[]> => {
    const runs = Array.from({ length: lives.runs() }, (_, index) => index + 1);
    const own = await Promise.all(runs.map(async (run) => parseLines(await readFile(lives.historyFile(run), "utf8"), run)));
    return own.flat();
  };
  const { wait, judgeBy, ...steps } = createSteps({ house, notes, load, witness: () => witness, recorded });

  const stage: Omit<Stage, typeof Symbol.asyncDispose> = {
    ...house,
    ...lives,
    ...load,
    ...witness,
    ...steps,
    snapshot: async (pool) => JSON.parse(await lives.ask(`/api/v1/workers/default/${pool}`)) as WorkerSnapshot,
    trigger: async (pool) => (await stage.snapshot(pool)).triggers[0],
    sees: (pool, problem, ms) =>
      wait(
        `${pool} to have ${problem === undefined ? "no problem" : `the problem ${problem}`}`,
        async () => {
          await pause(40);
          return (await stage.trigger(pool))?.problem?.kind === problem;
        },
        ms,
      ),
    async judge() {
      note({ kind: "output", t: now(), source: "metrics", text: await lives.ask("/metrics") });
      await lives.end();
      witness.look();
      witness.stop();
      return judgeBy({
        workers: lives.expected(),
        canaries: [house.password],
        ...(options.constants && { constants: options.constants }),
      });
    },
  };
  const owned = undo.move();
  return { ...stage, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
