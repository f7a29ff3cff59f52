import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { WorkerSnapshot } from "../../../src/control/worker-snapshot.ts";
import { check, describe } from "../../support/checker/check.ts";
import { historyOf } from "../../support/checker/history.ts";
import { duplicates, jobRuns } from "../../support/checker/jobs.ts";
import { type Constants, type Line, type LineOf, type Plan, parseLines } from "../../support/checker/lines.ts";
import { patienceMs, waitFor } from "../../support/wait.ts";
import type { House, Notes } from "./house.ts";
import type { FaultScope } from "./lives.ts";
import type { Load } from "./load.ts";
import type { Witness } from "./witness.ts";

/** What judging came to, for what a test wants to know beyond the invariants. */
export type Verdict = Readonly<{
  lines: readonly Line[];
  writes: (pool: string) => readonly LineOf<"write">[];
  /** How many times jobs began again. */
  duplicates: number;
}>;

/** What tests of every stage do and wait for. */
export type Steps = Readonly<{
  /** Records a fault from the call of `during` to its end. */
  fault<T>(scope: FaultScope, during: () => Promise<T>): Promise<T>;
  /** Waits; what happened until then is kept when that is in vain. */
  wait: typeof waitFor;
  /** Waits until the pool has so many workers and keeps them for three intervals. */
  settles(pool: string, size: number, ms?: number): Promise<void>;
  /** Waits until so many jobs are in hand. */
  busy(jobs: number, ms?: number): Promise<void>;
  /** Puts in so many jobs of this length; resolves once `inHand` of them (2) are, however slowly workers begin. */
  occupied(pool: string, jobs: number, ms: number, inHand?: number): Promise<void>;
  /** Waits until every job that was put in has ended. */
  drained(ms?: number): Promise<void>;
  /** Judges what was recorded by all invariants. */
  judgeBy(plan: Plan): Promise<Verdict>;
}>;

export type StepsHouse = Readonly<{
  house: House;
  notes: Notes;
  load: Load;
  witness: () => Witness;
  /** What worktide and others recorded, beside {@link Notes} and the journal of the workers. */
  recorded: () => Promise<readonly Line[]>;
}>;

export function createSteps({ house, notes, load, witness, recorded }: StepsHouse): Steps {
  const { note, now } = notes;
  const journal = async () => parseLines(await readFile(house.journal, "utf8"));
  const jobs = async () => jobRuns(historyOf(await journal(), { workers: {} }));
  const merged = async (): Promise<Line[]> => withLeaving([...notes.lines, ...(await recorded()), ...(await journal())]);
  const keep = async (lines: readonly Line[]): Promise<string> => {
    house.keepDir();
    const path = join(house.dir, "merged.jsonl");
    await writeFile(path, lines.map((line) => JSON.stringify(line)).join("\n"));
    return `the history is kept in ${path}`;
  };
  const steps: Steps = {
    async fault(scope, during) {
      note({ kind: "fault.begin", t: now(), ...scope });
      try {
        return await during();
      } finally {
        note({ kind: "fault.end", t: now(), ...scope });
      }
    },
    async wait(what, holds, ms) {
      try {
        await waitFor(what, holds, ms);
      } catch (cause) {
        const said = [cause instanceof Error ? cause.message : `${cause}`, ...lastSaid(notes.lines)].join("\n  ");
        throw new Error(`${said}\n${await keep(await merged())}`, { cause });
      }
    },
    async settles(pool, size, ms) {
      let since = now();
      const holds = () => {
        if (witness().processes(pool).length !== size) since = now();
        return now() - since > 600;
      };
      await steps.wait(`${pool} to have ${size} workers`, holds, ms);
    },
    busy: (count, ms) =>
      steps.wait(`${count} jobs in hand`, async () => (await jobs()).filter(({ end }) => end === undefined).length >= count, ms),
    async occupied(pool, count, ms, inHand = 2) {
      const until = join(house.dir, `release-${crypto.randomUUID()}`);
      // Twice as many wait for that: a worker of Celery may hold one that it has fetched ahead.
      const held = Math.min(count, 2 * inHand);
      await load.enqueue(pool, held, ms, { until });
      await load.enqueue(pool, count - held, ms);
      await steps.busy(inHand);
      await writeFile(until, "");
    },
    async drained(ms = 3 * patienceMs) {
      const done = async () => new Set((await jobs()).flatMap(({ start, end }) => (end ? [start.job] : []))).size;
      await steps.wait(`${load.put()} jobs to end`, async () => (await done()) >= load.put(), ms);
    },
    async judgeBy({ constants, ...plan }) {
      const lines = await merged();
      const bare = lines.find((line) => line.kind === "decide" && line.inputs === undefined);
      assert.equal(bare, undefined, "a history in a file has what each decision was made from");
      const whole: Plan = { ...plan, constants: { ...unhurried(notes.lines), ...constants } };
      const violations = describe(check(lines, whole));
      const history = historyOf(lines, whole);
      assert.equal(violations, "", violations === "" ? "" : `${violations}\n${await keep(history.lines)}`);
      return { lines: history.lines, writes: history.writes, duplicates: duplicates(history) };
    },
  };
  return steps;
}

/** What worktide last told of each pool: of a test that failed elsewhere nothing else may be left. */
function lastSaid(lines: readonly Line[]): readonly string[] {
  const told = lines.findLast((line) => line.kind === "output" && line.source === "api");
  if (told?.kind !== "output") return ["worktide has told nothing"];
  const { workers } = JSON.parse(told.text) as Readonly<{ workers: readonly WorkerSnapshot[] }>;
  return workers.flatMap(({ name, pool, decision, triggers }) => [
    `${name}: ${pool?.existing ?? "?"} there, ${decision?.summary ?? "nothing decided"}`,
    ...triggers.map((one) => `  ${one.name}: ${one.problem?.message ?? one.reading ?? one.state}`),
  ]);
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
