import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { TriggerSnapshot, WorkerSnapshot } from "../../../src/control/worker-snapshot.ts";
import { check, describe } from "../../support/checker/check.ts";
import { historyOf } from "../../support/checker/history.ts";
import { duplicates, jobRuns } from "../../support/checker/jobs.ts";
import { type Constants, type Line, type LineOf, type Plan, parseLines } from "../../support/checker/lines.ts";
import { patienceMs, waitFor } from "../../support/wait.ts";
import { createNotes, type House, openHouse, type StageOptions } from "./house.ts";
import { beginLives, type FaultScope, type Lives } from "./lives.ts";
import { createLoad, type Load } from "./load.ts";
import { createWatcher, kill } from "./proc.ts";
import { createWitness, type Witness } from "./witness.ts";

/** What judging came to, for what a test wants to know beyond the invariants. */
export type Verdict = Readonly<{
  lines: readonly Line[];
  writes: (pool: string) => readonly LineOf<"write">[];
  /** How many times jobs began again. */
  duplicates: number;
}>;

type ProblemKind = NonNullable<TriggerSnapshot["problem"]>["kind"];

/** A worktide under test: real Redis behind a proxy, real workers, a second Redis that stays well, observers of everything. */
export type Stage = AsyncDisposable &
  Pick<House, "dir" | "redis" | "proxy" | "admin" | "password" | "passwordPath"> &
  Pick<Lives, "life" | "text" | "write" | "edit" | "killAndRestart" | "killAtRequest" | "restart"> &
  Pick<Load, "enqueue" | "pauseQueue"> &
  Pick<Witness, "processes"> &
  Readonly<{
    /** Records a fault from the call of `during` to its end. */
    fault<T>(scope: FaultScope, during: () => Promise<T>): Promise<T>;
    trigger(pool: string): Promise<TriggerSnapshot | undefined>;
    snapshot(pool: string): Promise<WorkerSnapshot>;
    /** Waits until the trigger has a problem of this kind, or none with `undefined`. */
    sees(pool: string, problem: ProblemKind | undefined, ms?: number): Promise<void>;
    /** Waits until the pool has so many workers and keeps them for three intervals. */
    settles(pool: string, size: number, ms?: number): Promise<void>;
    /** Waits until so many jobs are in hand. */
    busy(jobs: number, ms?: number): Promise<void>;
    /** Puts in so many jobs of this length; resolves once `inHand` of them (2) are, however slowly workers begin. */
    occupied(pool: string, jobs: number, ms: number, inHand?: number): Promise<void>;
    /** Waits until every job that was put in has ended. */
    drained(ms?: number): Promise<void>;
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

  const journal = async () => parseLines(await readFile(house.journal, "utf8"));
  const jobs = async () => jobRuns(historyOf(await journal(), { workers: {} }));
  const merged = async (): Promise<Line[]> => {
    const runs = Array.from({ length: lives.runs() }, (_, index) => index + 1);
    const own = await Promise.all(runs.map(async (run) => parseLines(await readFile(lives.historyFile(run), "utf8"), run)));
    return withLeaving([...notes.lines, ...own.flat(), ...(await journal())]);
  };
  const keep = async (lines: readonly Line[]): Promise<string> => {
    house.keepDir();
    const path = join(house.dir, "merged.jsonl");
    await writeFile(path, lines.map((line) => JSON.stringify(line)).join("\n"));
    return `the history is kept in ${path}`;
  };
  /** As waitFor; what happened until then is kept. */
  const wait: typeof waitFor = async (what, holds, ms) => {
    try {
      await waitFor(what, holds, ms);
    } catch (cause) {
      throw new Error(`${cause instanceof Error ? cause.message : cause}; ${await keep(await merged())}`, { cause });
    }
  };

  const stage: Omit<Stage, typeof Symbol.asyncDispose> = {
    ...house,
    ...lives,
    ...load,
    ...witness,
    async fault(scope, during) {
      note({ kind: "fault.begin", t: now(), ...scope });
      try {
        return await during();
      } finally {
        note({ kind: "fault.end", t: now(), ...scope });
      }
    },
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
    async settles(pool, size, ms) {
      let since = now();
      const holds = () => {
        if (witness.processes(pool).length !== size) since = now();
        return now() - since > 600;
      };
      await wait(`${pool} to have ${size} workers`, holds, ms);
    },
    busy: (count, ms) =>
      wait(`${count} jobs in hand`, async () => (await jobs()).filter(({ end }) => end === undefined).length >= count, ms),
    async occupied(pool, count, ms, inHand = 2) {
      const until = join(house.dir, `release-${crypto.randomUUID()}`);
      // Twice as many wait for that: a worker of Celery may hold one that it has fetched ahead.
      const held = Math.min(count, 2 * inHand);
      await load.enqueue(pool, held, ms, { until });
      await load.enqueue(pool, count - held, ms);
      await stage.busy(inHand);
      await writeFile(until, "");
    },
    async drained(ms = 3 * patienceMs) {
      const done = async () => new Set((await jobs()).flatMap(({ start, end }) => (end ? [start.job] : []))).size;
      await wait(`${load.put()} jobs to end`, async () => (await done()) >= load.put(), ms);
    },
    async judge() {
      note({ kind: "output", t: now(), source: "metrics", text: await lives.ask("/metrics") });
      await lives.end();
      witness.look();
      witness.stop();
      const plan: Plan = {
        workers: lives.expected(),
        canaries: [house.password],
        constants: { ...unhurried(notes.lines), ...options.constants },
      };
      const lines = await merged();
      const bare = lines.find((line) => line.kind === "decide" && line.inputs === undefined);
      assert.equal(bare, undefined, "a history in a file has what each decision was made from");
      const violations = describe(check(lines, plan));
      const history = historyOf(lines, plan);
      assert.equal(violations, "", violations === "" ? "" : await keep(history.lines));
      return { lines: history.lines, writes: history.writes, duplicates: duplicates(history) };
    },
  };
  const owned = undo.move();
  return { ...stage, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/**
 * Tests share their machine with others: what costs time only gets more of it here, and the more the longer the test
 * itself was kept from looking. For nothing but that it looks ten times a second.
 */
function unhurried(lines: readonly Line[]): Partial<Constants> {
  const looks = lines.flatMap((line) => (line.kind === "clients" ? [line.t] : []));
  const lagMs = Math.max(0, ...looks.map((t, index) => t - (looks[index - 1] ?? t) - 100));
  return {
    ...{ isolation: 0.7, lookMs: 100, slackMs: 1000 + 2 * lagMs },
    ...{ writeMs: 10_000 + 3 * lagMs, transitionMs: 8000 + 3 * lagMs, orphanMs: 15_000 + 3 * lagMs, downMs: 2 * patienceMs },
  };
}

/** Fills in who was leaving: /proc shows only who is there. */
function withLeaving(lines: readonly Line[]): Line[] {
  const told = new Map<string, number>();
  for (const line of lines) {
    if (line.kind !== "member" || told.has(line.id)) continue;
    if (line.event === "signalled" || line.event === "killed") told.set(line.id, line.t);
  }
  return lines.map((line) => {
    if (line.kind !== "obs") return line;
    return { ...line, leaving: line.alive.filter((id) => (told.get(id) ?? Number.POSITIVE_INFINITY) <= line.t) };
  });
}
