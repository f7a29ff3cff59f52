import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createWorkerLoop } from "../../src/control/create-worker-loop.ts";
import type { Reading } from "../../src/core/contract.ts";
import { fakeHouse, fakeWatching, idle, rulesOf, type Time, trigger } from "../control/rig.ts";
import type { Access } from "../support/cluster/access.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { sharedControlPlane } from "../support/shared-control-plane.ts";
import { openRig, waitFor, waitMs } from "./cluster-rig.ts";

const realTime: Time = { now: () => performance.now(), settle: async () => {}, pass: async () => {} };

describe("the loop over a target of a real control plane", { skip: await noControlPlane() }, () => {
  let plane: Access;
  before(async () => {
    plane = await sharedControlPlane();
  });
  after(() => plane[Symbol.asyncDispose]());

  for (const [kind, kept] of [
    ["Deployment", [1, 4]],
    ["StatefulSet", [0, 2]],
  ] as const) {
    it(`takes a ${kind} from 0 to 6, down to those with jobs in hand, and to 0 (row 3, I3)`, async () => {
      await using rig = await openRig(plane);
      await rig.create("mails", 0, kind);
      const { target, notices } = rig.open("mails", { kind });
      const source = fakeWatching(realTime, true);
      const told = fakeHouse(realTime, source.watch);
      const rules = rulesOf({ scaleDown: { protect: "busy", cooldownMs: 0 } });
      let now: Partial<Reading> = { waiting: 6 };
      const timer = setInterval(() => source.read(now), 200);
      const loop = createWorkerLoop("default/mails", target, rules, [trigger()], told.house);
      try {
        const names = (await rig.runAll(6)).map(({ metadata }) => metadata.name);
        await waitFor("the answer to its write", () => rig.writes().length > 0, waitMs);
        assert.equal(rig.writes().length, 1, "full size in one write");
        // Celery's name of a node, and the host in it.
        const workers = names.map((host, n) => idle(`celery@${host}`, { host, busy: kept.some((one) => one === n) ? 1 : 0 }));
        now = { running: 2, workers };
        const left = kind === "StatefulSet" ? names.slice(0, 3) : names.filter((_, n) => kept.some((one) => one === n));
        await rig.settled(left.length, { ready: left.length });
        assert.deepEqual((await rig.living()).map(({ metadata }) => metadata.name).toSorted(), left);
        now = { workers: workers.filter(({ host }) => left.includes(host ?? "")).map((worker) => ({ ...worker, busy: 0 })) };
        await waitFor("none left", async () => (await rig.pods()).length === 0, waitMs);
        await waitFor("that to be known", () => target.pool()?.wanted === 0, waitMs);
        now = { waiting: 1 };
        await waitFor("one again: it was our own zero", () => target.pool()?.wanted === 1, waitMs);
        assert.deepEqual([notices, told.failures], [[], []]);
      } finally {
        clearInterval(timer);
        await loop.stop();
        loop.release();
      }
    });
  }
});
