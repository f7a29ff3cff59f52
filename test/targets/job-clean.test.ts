import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobTarget } from "../../src/api/resolve-target.ts";
import { createJobCleaner } from "../../src/targets/job-clean.ts";
import type { JobObject } from "../../src/targets/job-object.ts";

const target = { successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 0, onTemplateChange: "Keep" } as JobTarget;
const succeeded = (name: string) => ({ uid: name, name, state: "succeeded", leaving: false, endedAt: 1000 }) as JobObject;

/** Jobs as a watch shows them, which lags behind what was removed. */
function openCleaner(jobs: () => readonly JobObject[], remove?: () => Promise<void>) {
  const removed: string[] = [];
  const failures: unknown[] = [];
  const cleaner = createJobCleaner({
    target,
    jobs,
    async remove({ name }) {
      await remove?.();
      removed.push(name);
    },
    mayWrite: () => true,
    failed: (cause) => failures.push(cause),
  });
  return { cleaner, removed, failures };
}

test("what was removed and is shown still does not cost the one that is kept its place", async () => {
  let shown = [succeeded("a"), succeeded("b")]; // within one second, so nothing puts one before the other
  const { cleaner, removed } = openCleaner(() => shown);
  await cleaner.clean();
  assert.equal(removed.length, 1);
  shown = shown.toReversed();
  await cleaner.clean();
  await cleaner.clean();
  assert.equal(removed.length, 1);
  shown = [...shown.filter(({ name }) => !removed.includes(name)), succeeded("c")];
  await cleaner.clean();
  assert.equal(removed.length, 2);
  cleaner.close();
});

test("one that could not be removed is not taken for removed", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let fails = true;
  const { cleaner, removed, failures } = openCleaner(
    () => [succeeded("a"), succeeded("b")],
    async () => {
      if (fails) throw new Error("no");
    },
  );
  await cleaner.clean();
  assert.deepEqual([removed.length, failures.length], [0, 1]);
  fails = false;
  t.mock.timers.tick(30_000);
  await new Promise(setImmediate);
  assert.equal(removed.length, 1);
  cleaner.close();
});
