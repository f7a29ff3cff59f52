import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { monotonicMs } from "../../src/brokers/clock.ts";
import { freePort } from "../../src/services/free-port.ts";
import { startMonitoring, type TestMonitoring } from "../support/monitoring.ts";
import { type Lab, openLab, settingsFor } from "../support/pubsub.ts";

/** Cloud Monitoring alone: nothing answers for Pub/Sub itself. */
describe("what Cloud Monitoring tells of subscriptions", () => {
  let monitoring: TestMonitoring;
  let lab: Lab;
  before(async () => {
    monitoring = await startMonitoring();
  });
  after(async () => monitoring[Symbol.asyncDispose]());
  beforeEach(async () => {
    lab = await openLab(settingsFor({ emulator: await freePort(), monitoring: monitoring.port }));
  });
  afterEach(async () => {
    await lab[Symbol.asyncDispose]();
    monitoring.fail(undefined);
    monitoring.forget();
    monitoring.pagePoints = Number.POSITIVE_INFINITY;
  });
  const asked = () => monitoring.requests.length;

  it("is as old as its points, whenever it was asked for", async () => {
    const at = Date.now() - 140_000;
    monitoring.count("mails", { undelivered: 9, oldestS: 33, at: at - 60_000 });
    monitoring.count("mails", { undelivered: 7, oldestS: 21, at });
    const { waiting, oldestMs, sampledAt } = await lab.read({ subscription: "mails" });
    assert.deepEqual([waiting, oldestMs], [7, 21_000]);
    const ageMs = monotonicMs() - sampledAt;
    assert.ok(ageMs >= 140_000 && ageMs < 200_000, `${ageMs}`);
  });

  it("is not zero where there is no series, or only points from long ago", async () => {
    monitoring.count("old", { undelivered: 4, at: Date.now() - 400_000 });
    for (const subscription of ["never", "old"]) {
      const { kind, message } = await lab.problem({ subscription });
      assert.equal(kind, "loading");
      assert.match(message, new RegExp(`no number of subscription '${subscription}' of the last 5 min, which is not zero`));
    }
  });

  it("is a static backlog for as long as it is one: no rate is taken of a gauge", async () => {
    for (let minute = 4; minute >= 0; minute--) {
      monitoring.count("still", { undelivered: 6, at: Date.now() - minute * 60_000 });
    }
    assert.equal((await lab.read({ subscription: "still" })).waiting, 6);
  });

  it("has no age while nothing waits", async () => {
    monitoring.count("empty", { undelivered: 0, oldestS: 0 });
    const { waiting, oldestMs, running, runningUnknown } = await lab.read({ subscription: "empty" });
    assert.deepEqual([waiting, oldestMs, running], [0, undefined, undefined]);
    assert.match(runningUnknown ?? "", /in hand as waiting/);
  });

  it("is the sum of all regions where it is asked for by region, as old as the oldest of them", async () => {
    const now = Date.now();
    monitoring.count("mails", { undelivered: 3, oldestS: 5, region: "europe-west1", at: now });
    monitoring.count("mails", { undelivered: 4, oldestS: 50, region: "us-east1", at: now - 100_000 });
    monitoring.count("mails", { undelivered: 99, at: now });
    const { waiting, oldestMs, sampledAt } = await lab.read({ subscription: "mails", byRegion: true });
    assert.deepEqual([waiting, oldestMs], [7, 50_000]);
    assert.ok(monotonicMs() - sampledAt >= 100_000);
    assert.equal((await lab.read({ subscription: "mails" })).waiting, 99);
  });

  it("counts a region that falls silent as it was, and the sum is as old as that: a gap is no zero", async () => {
    const now = Date.now();
    const of = (region: string, undelivered: number, at: number) => monitoring.count("mails", { undelivered, region, at });
    of("europe-west1", 3, now);
    of("us-east1", 40, now - 250_000);
    of("asia-east1", 0, now);
    const query = { subscription: "mails", byRegion: true };
    assert.equal((await lab.read(query)).waiting, 43);
    monitoring.forget();
    of("europe-west1", 2, now);
    const { waiting, sampledAt } = await lab.read(query);
    assert.equal(waiting, 42, "a naive sum says 2");
    assert.ok(monotonicMs() - sampledAt >= 250_000);
    monitoring.forget();
    assert.equal((await lab.problem(query)).kind, "loading");
    of("europe-west1", 2, now);
    assert.equal((await lab.read(query)).waiting, 42, "nor is it forgotten where all were silent");
    of("us-east1", 1, now);
    assert.equal((await lab.read(query)).waiting, 3);
  });

  it("is never clamped: what is no count is refused before any rule sees it", async () => {
    const { checkReading } = await import("../../src/core/reading.ts");
    for (const undelivered of [-3, "9223372036854775807"]) {
      monitoring.count("odd", { undelivered });
      assert.equal(checkReading(await lab.read({ subscription: "odd" }))?.kind, "invalid", String(undelivered));
    }
  });

  it("of a point ahead of our clock is of now", async () => {
    monitoring.count("ahead", { undelivered: 1, at: Date.now() + 500 });
    assert.ok((await lab.read({ subscription: "ahead" })).sampledAt <= monotonicMs());
  });

  it("costs two lists for a thousand subscriptions, and one more for each page of them", async () => {
    const names = Array.from({ length: 1000 }, (_, i) => `queue-${i}`);
    for (const [i, name] of names.entries()) monitoring.count(name, { undelivered: i });
    const queries = names.map((subscription) => ({ subscription }));
    const waiting = async () =>
      (await lab.outcomes(...queries)).map((result) => ("reading" in result ? result.reading.waiting : result.problem.message));
    const wanted = names.map((_, i) => i);
    let before = asked();
    assert.deepEqual(await waiting(), wanted);
    assert.equal(asked() - before, 2);
    monitoring.pagePoints = 300;
    before = asked();
    assert.deepEqual(await waiting(), wanted);
    // Nothing tells an age here: that list has one page.
    assert.equal(asked() - before, 4 + 1);
  });

  it("is asked for by name where a few are wanted, and of no more than five minutes", async () => {
    monitoring.count("a-1", { undelivered: 1 });
    await lab.outcomes({ subscription: "a-1" }, { subscription: "b-2" }, { subscription: "a-1" });
    const { filter, interval, view, name } = monitoring.requests.at(-1) ?? assert.fail();
    assert.match(filter, /one_of\("a-1","b-2"\)$/);
    assert.equal(Number(interval.endTime.seconds) - Number(interval.startTime.seconds), 300);
    assert.deepEqual([view, name], ["FULL", "projects/worktide-test"]);
  });

  it("may be of other projects too: each is a list of its own", async () => {
    monitoring.count("mails", { undelivered: 2 });
    const before = asked();
    const full = "projects/other-project/subscriptions/mails";
    const [own, other] = await lab.outcomes({ subscription: "mails" }, { subscription: full });
    assert.ok(own && "reading" in own && other && "reading" in other);
    const projects = new Set(monitoring.requests.slice(before).map(({ name }) => name));
    assert.deepEqual([...projects].sort(), ["projects/other-project", "projects/worktide-test"]);
  });

  it("stands beside settings that cannot be read, which is said", async () => {
    monitoring.count("mails", { undelivered: 2 });
    const { waiting, advice } = await lab.read({ subscription: "mails" });
    assert.equal(waiting, 2);
    assert.match(advice?.[0] ?? "", /settings cannot be read \(UNAVAILABLE.*roles\/pubsub.viewer/);
  });
});
