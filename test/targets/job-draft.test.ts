import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { JobTarget } from "../../src/api/resolve-target.ts";
import { jobDraft, jobName, shortened, slotOf } from "../../src/targets/job-draft.ts";
import { countEnds, noStreak, opensAt } from "../../src/targets/job-failures.ts";
import { type JobObject, slimJob } from "../../src/targets/job-object.ts";

const target: JobTarget = {
  kind: "job",
  template: {
    metadata: { labels: { team: "mail", "app.kubernetes.io/name": "sender" }, annotations: { note: "x" } },
    spec: {
      backoffLimit: 0,
      template: { metadata: { labels: { tier: "a" } }, spec: { restartPolicy: "Never", containers: [] } },
    },
  },
  templateDigest: "d1",
  takes: "One",
  onTemplateChange: "Keep",
  successfulJobsHistoryLimit: 3,
  failedJobsHistoryLimit: 3,
  backoff: { afterFailures: 2, initialMs: 1000, maxMs: 5000 },
};
const owner = { namespace: "shop", name: "mails", uid: "u1" };

describe("the name of a Job", () => {
  test("tells its slot and its turn, and no two are the same", () => {
    const names = new Set<string>();
    for (const worker of ["mails", "mails-1", "mails-1-1", "m".repeat(253)])
      for (const slot of [1, 11, 100_000])
        for (const turn of [1, 11]) {
          const name = jobName(worker, { slot, turn });
          assert.deepEqual(slotOf(name), { slot, turn });
          assert.ok(name.length <= 63 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name), name);
          names.add(name);
        }
    assert.equal(names.size, 24);
    assert.equal(jobName("mails", { slot: 3, turn: 17 }), "mails-3-17");
    assert.equal(slotOf("mails"), undefined);
  });

  test("that would be too long is told apart by a digest", () => {
    const [a, b] = [shortened(`${"x".repeat(80)}a`, 63), shortened(`${"x".repeat(80)}b`, 63)];
    assert.notEqual(a, b);
    assert.equal(a.length, 63);
  });
});

test("a Job carries the labels of its template and ours, and does not go with its ScaledWorker", () => {
  const { metadata, spec } = jobDraft(target, owner, { slot: 2, turn: 1 });
  const ours = {
    "app.kubernetes.io/instance": "mails",
    "app.kubernetes.io/component": "worker",
    "app.kubernetes.io/part-of": "mails",
    "app.kubernetes.io/managed-by": "worktide",
    "worktide.dev/scaled-worker": "mails",
    "worktide.dev/template": "d1",
  };
  assert.deepEqual(metadata.labels, { ...ours, team: "mail", "app.kubernetes.io/name": "sender" });
  const pod = (spec as { template: { metadata: object } }).template.metadata;
  assert.deepEqual(pod, { labels: { ...ours, tier: "a", "app.kubernetes.io/name": "mails" } });
  assert.equal((spec as { backoffLimit: number }).backoffLimit, 0);
  assert.equal(metadata.ownerReferences, undefined);
  assert.deepEqual([metadata.name, metadata.namespace, metadata.annotations], ["mails-2-1", "shop", { note: "x" }]);
});

test("a Job is open until it has succeeded or failed for good", () => {
  const of = (status: object) => slimJob({ metadata: { name: "a", uid: "a", resourceVersion: "1" }, status });
  const condition = (type: string, reason = "", message = "") => ({ type, status: "True", reason, message });
  assert.deepEqual([of({}).state, of({}).begun], ["open", false]);
  assert.deepEqual([of({ active: 1, ready: 1 }).state, of({ active: 1, ready: 1 }).begun], ["open", true]);
  assert.equal(of({ failed: 1, active: 1, ready: 0 }).begun, true, "it is tried again, and had its job");
  assert.equal(of({ conditions: [condition("Complete")] }).state, "succeeded");
  const failed = of({ conditions: [condition("Failed", "BackoffLimitExceeded", "Job has reached it")] });
  assert.deepEqual([failed.state, failed.failure], ["failed", "BackoffLimitExceeded: Job has reached it"]);
});

test("a Job whose end is decided is leaving until its pod has gone, which may have work in hand", () => {
  const of = (...types: readonly string[]) => {
    const conditions = types.map((type) => ({ type, status: "True" }));
    const { state, leaving } = slimJob({ metadata: { name: "a", uid: "a", resourceVersion: "1" }, status: { conditions } });
    return [state, leaving];
  };
  assert.deepEqual(of(), ["open", false]);
  assert.deepEqual(of("FailureTarget"), ["open", true]);
  assert.deepEqual(of("FailureTarget", "Failed"), ["failed", false]);
  assert.deepEqual(of("SuccessCriteriaMet"), ["open", true]);
  assert.deepEqual(of("SuccessCriteriaMet", "Complete"), ["succeeded", false]);
});

describe("failures in a row", () => {
  const ended = (uid: string, state: "failed" | "succeeded", endedAt: number): JobObject => ({
    ...{ uid, name: uid, resourceVersion: "1", begun: true, leaving: false, createdAt: 0, failure: "it" },
    ...{ state, endedAt },
  });

  test("are counted once each, in the order of their ends, and a success ends them", () => {
    const some = [ended("b", "failed", 2), ended("a", "succeeded", 1), ended("c", "failed", 3)];
    const streak = countEnds(noStreak, some, 100);
    assert.deepEqual([streak.failures, streak.lastAt, streak.last], [2, 100, "it"]);
    assert.equal(countEnds(streak, some, 200), streak);
    assert.equal(
      countEnds(streak, [...some.slice(1), ended("d", "failed", 4)], 200).failures,
      3,
      "though one is gone from history",
    );
    assert.equal(countEnds(streak, [...some, ended("d", "succeeded", 4)], 200).failures, 0);
  });

  test("make it wait twice as long each time, up to the most", () => {
    const waits = [1, 2, 3, 4, 5, 60].map((failures) => opensAt({ ...noStreak, failures, lastAt: 0 }, target.backoff));
    assert.deepEqual(waits, [undefined, 1000, 2000, 4000, 5000, 5000]);
  });
});
