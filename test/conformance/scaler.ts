import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { AnyBroker, AnyScaler, Problem, Reading, Result, Session } from "../../src/core/contract.ts";
import { readingOf } from "../support/reading.ts";
import { waitFor } from "../support/wait.ts";

/**
 * A scaler's real service, and how its users put jobs there. Names of queues are new ones in each test. What the
 * service does not have is left out; the test of it is then skipped, and says so.
 */
export interface ScalerWorld extends AsyncDisposable {
  /** Settings of the broker, secrets resolved. */
  readonly settings: unknown;
  /** The same, with a credential that is wrong. */
  readonly wrongSettings?: unknown;
  /** The query for a queue, as it stands in YAML. */
  query(queue: string): unknown;
  /** Makes the queue, empty, where queues have to be made. */
  make?(queue: string): Promise<void>;
  /** Resolves once it is listened to for wake-ups, where that takes a moment after it began. */
  heard?(queue: string): Promise<void>;
  /** Puts so many jobs there, ready to be taken. */
  put(queue: string, jobs: number): Promise<void>;
  /** Takes so many of them to work on; they do not end. */
  take?(queue: string, jobs: number): Promise<void>;
  /** Puts jobs there that become ready after so many ms. */
  delay?(queue: string, jobs: number, ms: number): Promise<void>;
  /** Puts jobs there with a priority. */
  prioritize?(queue: string, jobs: number): Promise<void>;
  /** Lets nobody take jobs from it, or again. */
  pause?(queue: string, on: boolean): Promise<void>;
  /** Makes something of another type of its name. */
  spoil?(queue: string): Promise<void>;
  /** Its numbers may be statistics, so many ms old at most. */
  readonly statisticsMs?: number;
  /** What a queue is that was never made. */
  readonly absent: "empty" | "missing";
  /** Nothing tells that it has died: it is asked over connections that come and go. The next question does. */
  readonly unnoticed?: boolean;
  /** The service dies, and comes back at the same address, its data lost. */
  kill(): Promise<void>;
  revive(): Promise<void>;
  /** It stands still, or goes on. */
  freeze(on: boolean): void;
}

/** Names that are legal somewhere, and have broken somebody's key, pattern or script. */
const oddNames = ["grüße-日本", "two words", "{tag}.x", "{}", "a*b?[c]", "quote'\"\\", "%d %s", "-1", "KEYS[1]", "x".repeat(200)];

export type ScalerSuite = Readonly<{
  title: string;
  scaler: AnyScaler;
  broker: AnyBroker;
  start: () => Promise<ScalerWorld>;
  /** Why the service cannot be run here; false where it can. */
  skip?: string | false;
  /** False where this broker tells of no change, though the scaler can be woken on another one. */
  wakes?: boolean;
  /** Odd names that this framework itself does not allow. */
  forbidden?: (name: string) => boolean;
}>;

const soon = (ms = 30_000): AbortSignal => AbortSignal.timeout(ms);
const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6;

/** What every scaler keeps, whatever it measures. Runs on the real service. */
export function testScaler({
  title,
  scaler,
  broker,
  start,
  skip = false,
  wakes = true,
  forbidden = () => false,
}: ScalerSuite): void {
  describe(`the scaler ${title}`, { skip }, () => {
    let world: ScalerWorld;
    let session: Session<unknown>;
    let queues = 0;
    before(async () => {
      world = await start();
      session = await broker.open(world.settings, soon());
    });
    after(async () => {
      session.destroy();
      await world[Symbol.asyncDispose]();
    });

    const fresh = async (): Promise<string> => {
      const queue = `conformance-${queues++}`;
      await world.make?.(queue);
      return queue;
    };
    const parse = (queue: string): unknown => scaler.query.parse(world.query(queue));
    const readAll = (names: readonly string[], signal = soon()): Promise<readonly Result[]> =>
      scaler.read(session.client, names.map(parse), signal);
    const outcome = async (queue: string): Promise<Result> => (await readAll([queue]))[0] as Result;
    const read = (queue: string): Promise<Reading> => readingOf(() => outcome(queue));
    const problem = async (queue: string): Promise<Problem> => {
      const result = await outcome(queue);
      assert.ok("problem" in result, JSON.stringify(result));
      return result.problem;
    };

    it("sees nothing waiting in an empty queue", async () => {
      const { waiting, running = 0, dueSoon = 0, oldestMs } = await read(await fresh());
      assert.deepEqual({ waiting, running, dueSoon, oldestMs }, { waiting: 0, running: 0, dueSoon: 0, oldestMs: undefined });
    });

    it("says what a queue is that was never made", async () => {
      if (world.absent === "missing") assert.equal((await problem("never-made")).kind, "missing");
      else assert.equal((await read("never-made")).waiting, 0);
    });

    it("counts what waits, and an age that grows where it tells one", async () => {
      const queue = await fresh();
      await world.put(queue, 3);
      const first = await read(queue);
      assert.equal(first.waiting, 3);
      await world.put(queue, 2);
      const second = await read(queue);
      assert.equal(second.waiting, 5);
      if (first.oldestMs === undefined || second.oldestMs === undefined) return;
      assert.ok(first.oldestMs >= 0 && second.oldestMs >= first.oldestMs && second.oldestMs < 60_000);
    });

    it("never counts a job twice: what is taken no longer waits, and runs where it can tell", async (t) => {
      if (!world.take) return t.skip("the service has no jobs in hand that anybody sees");
      const queue = await fresh();
      await world.put(queue, 5);
      await world.take(queue, 2);
      const takenAt = monotonic();
      const first = await read(queue);
      assert.equal(first.waiting, 3);
      if (!scaler.sight(parse(queue)).running) assert.equal(first.running, undefined, "what is not seen is not told");
      else if (world.statisticsMs === undefined) assert.equal(first.running, 2);
      else {
        await waitFor("the statistics", async () => {
          const { waiting, running = 2, sampledAt } = await read(queue);
          assert.ok(running >= 2 || sampledAt < takenAt, "numbers from before the jobs were taken say that they are old");
          return waiting === 3 && running === 2;
        });
      }
      const { workers } = await read(queue);
      if (!scaler.sight(parse(queue)).workers) assert.equal(workers, undefined);
    });

    it("tells delayed jobs from waiting ones, and those that are due soon from later ones", async (t) => {
      if (!world.delay) return t.skip("the service has no delayed jobs");
      const queue = await fresh();
      await world.delay(queue, 2, 20_000);
      await world.delay(queue, 3, 3_600_000);
      const { waiting, dueSoon } = await read(queue);
      assert.deepEqual({ waiting, dueSoon }, { waiting: 0, dueSoon: 2 });
    });

    it("counts jobs with a priority", async (t) => {
      if (!world.prioritize) return t.skip("the service has no priorities");
      const queue = await fresh();
      await world.put(queue, 1);
      await world.prioritize(queue, 4);
      assert.equal((await read(queue)).waiting, 5);
    });

    it("knows that nobody can take jobs from a paused queue", async (t) => {
      if (!world.pause) return t.skip("the service cannot pause a queue");
      const queue = await fresh();
      await world.put(queue, 4);
      await world.pause(queue, true);
      const { waiting, ceiling, ceilingReason } = await read(queue);
      assert.equal(waiting, 4);
      assert.equal(ceiling, 0);
      assert.ok(ceilingReason);
      await world.pause(queue, false);
      assert.notEqual((await read(queue)).ceiling, 0);
    });

    it("takes something of another type for a problem, never for an empty queue, and reads the others", async (t) => {
      if (!world.spoil) return t.skip("the service has nothing of another type");
      const [good, bad] = [await fresh(), `spoilt-${queues++}`];
      await world.put(good, 2);
      await world.spoil(bad);
      const [first, second, third] = await readAll([good, bad, good]);
      assert.ok(first && second && third && "reading" in first && "problem" in second && "reading" in third);
      assert.equal(second.problem.kind, "invalid");
      assert.deepEqual([first.reading.waiting, third.reading.waiting], [2, 2]);
    });

    it("answers 1,000 queries at once, each in its place", async () => {
      const names = await Promise.all(Array.from({ length: 4 }, fresh));
      for (const [i, name] of names.entries()) await world.put(name, i + 1);
      const asked = Array.from({ length: 1000 }, (_, i) => names[i % 4] ?? "");
      const results = await readAll(asked);
      assert.deepEqual(
        results.map((result) => ("reading" in result ? result.reading.waiting : result.problem.message)),
        asked.map((_, i) => (i % 4) + 1),
      );
      assert.deepEqual(await readAll([]), []);
    });

    it("copes with odd names", async () => {
      for (const name of oddNames.filter((name) => !forbidden(name))) {
        await world.make?.(name);
        await world.put(name, 2);
        assert.equal((await read(name)).waiting, 2, name);
      }
    });

    it("is honest about when the numbers were taken, and knows data of one epoch from another", async () => {
      const queue = await fresh();
      const began = monotonic();
      const first = await read(queue);
      const ended = monotonic();
      assert.ok(began - (world.statisticsMs ?? 0) <= first.sampledAt && first.sampledAt <= ended);
      assert.ok(first.epoch);
      assert.equal((await read(queue)).epoch, first.epoch);
    });

    it("wakes on the first job at once, and again after the next read", async (t) => {
      if (!scaler.wake || !wakes) return t.skip("the scaler cannot be woken");
      const queue = await fresh();
      let hints = 0;
      using hearing = scaler.wake(session.client, parse(queue), () => hints++);
      await read(queue);
      await world.heard?.(queue);
      for (let round = 1; round <= 3; round++) {
        const before = hints;
        await world.put(queue, 1);
        await waitFor("the hint", () => hints > before);
        assert.equal((await read(queue)).waiting, round);
      }
      hearing?.[Symbol.dispose]();
      const before = hints;
      await world.put(queue, 1);
      assert.equal((await read(queue)).waiting, 4);
      assert.equal(hints, before, "no hint after the end");
    });

    it("ends at once when it is aborted", async () => {
      const queue = await fresh();
      const own = await broker.open(world.settings, soon());
      world.freeze(true);
      try {
        const controller = new AbortController();
        const reading = assert.rejects(scaler.read(own.client, [parse(queue)], controller.signal));
        controller.abort();
        await reading; // which has no answer as long as it is frozen
      } finally {
        world.freeze(false);
        own.destroy();
      }
      await assert.rejects(scaler.read(session.client, [parse(queue)], AbortSignal.abort()));
    });

    it("is not let in with a wrong credential, and told so by the first question at the latest", async (t) => {
      if (world.wrongSettings === undefined) return t.skip("the service asks for no credential");
      const first = async () => {
        const own = await broker.open(world.wrongSettings, soon());
        try {
          await scaler.read(own.client, [parse("mails")], soon());
        } finally {
          own.destroy();
        }
      };
      await assert.rejects(first, (error) => {
        assert.equal((error as { problem?: Problem }).problem?.kind, "auth");
        return true;
      });
    });

    it("fails while the service is down, says so, and reads again on a new session, of another epoch", async () => {
      const queue = await fresh();
      await world.put(queue, 2);
      const { epoch } = await read(queue);
      const own = await broker.open(world.settings, soon());
      await world.kill();
      if (!world.unnoticed) {
        const { kind } = await own.lost;
        assert.ok(["unreachable", "timeout"].includes(kind), kind);
      }
      await assert.rejects(scaler.read(own.client, [parse(queue)], soon()), (error) => {
        if (world.unnoticed) assert.equal((error as { problem?: Problem }).problem?.kind, "unreachable");
        return true;
      });
      await assert.rejects(broker.open(world.settings, soon()));
      own.destroy();
      await world.revive();
      session = await broker.open(world.settings, soon());
      await world.make?.(queue);
      await world.put(queue, 3);
      const reading = await read(queue);
      assert.equal(reading.waiting, 3);
      assert.notEqual(reading.epoch, epoch);
    });
  });
}
