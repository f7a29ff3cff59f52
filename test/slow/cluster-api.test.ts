import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { backlog, writesOnce } from "../faults/cluster/support/backlog.ts";
import { leaseMs } from "../faults/cluster/support/controllers.ts";
import { setClusterStage } from "../faults/cluster/support/stage.ts";
import { ask } from "../faults/support/ask.ts";
import { heldDuring } from "../faults/support/scenario.ts";
import type { Access } from "../support/cluster/access.ts";
import { noControlPlane } from "../support/control-plane.ts";
import type { ApiFault, ApiRequest } from "../support/scripted-api.ts";
import { sharedControlPlane } from "../support/shared-control-plane.ts";

const isWatch = ({ query }: ApiRequest) => query.get("watch") === "true";
const isLease = ({ path }: ApiRequest) => path.includes("/leases");

suite("A controller whose API server fails, in more ways", { skip: await noControlPlane(), concurrency: 2 }, () => {
  let plane: Access;
  before(async () => {
    plane = await sharedControlPlane();
  });
  after(() => plane?.[Symbol.asyncDispose]());

  test("nobody is there for seconds: reading goes on, nothing ends, and the size is right when it is back (rows 21, 76)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const { api, life } = await stage.start();
    await stage.settles("backlog", 3);
    await stage.fault({ fault: "refused" }, async () => {
      await api.set({ kind: "refuse" });
      api.cut();
      await stage.admin.rPush("backlog:backlog", ["4", "5"]);
      await pause(leaseMs + 1_000);
      assert.match(await ask(`${life.url}/healthz`), /ok/i);
      const { status } = await fetch(`${life.url}/readyz`);
      assert.equal(status, 200, "an outage of the API server is no reason to take the page away");
      await api.set({ kind: "pass" });
    });
    await stage.size("backlog", 5);
    await stage.settles("backlog", 5);
    await stage.judge();
  });

  test("answers come 1.5 s late: the Lease is lost and won again, the process stays, and so do sizes (row 24)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const { api, life } = await stage.start();
    await stage.settles("backlog", 3);
    await stage.fault({ fault: "slow" }, async () => {
      await api.set({ kind: "delay", ms: 1_500 });
      await stage.admin.rPush("backlog:backlog", ["4", "5"]);
      await pause(leaseMs + 2_000);
      await api.set({ kind: "pass" });
    });
    await stage.size("backlog", 5);
    assert.ok(!life.gone());
    const verdict = await stage.judge();
    heldDuring(verdict, "slow", ["backlog"]);
  });

  test("429 to everything but the Lease: a raise comes before status and events, and the Lease is kept (row 22)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const { script, life } = await stage.start({ scripted: true });
    await stage.settles("backlog", 3);
    let refused = 0;
    await stage.fault({ fault: "429" }, async () => {
      script.set((request) => {
        if (isLease(request) || isWatch(request)) return undefined;
        refused += 1;
        return refused <= 12 ? { status: 429, headers: { "retry-after": "1" }, reason: "TooManyRequests" } : undefined;
      });
      await stage.admin.rPush("backlog:backlog", ["4", "5"]);
      await stage.size("backlog", 5);
    });
    assert.ok(!life.said.some((line) => line.includes('"msg":"stands by"')), "it led all the time");
    await stage.settles("backlog", 5);
    await stage.judge();
  });

  test("watches are silent, and nobody ends them: what somebody does meanwhile is seen within half a minute (row 8)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const { api } = await stage.start();
    await stage.settles("backlog", 3);
    await stage.fault({ fault: "frozen" }, async () => {
      await api.set({ kind: "freeze" });
      await stage.scale("backlog", 7);
      await stage.size("backlog", 3);
    });
    await stage.settles("backlog", 3);
    await stage.judge();
  });

  test("it trickles at 2 kB a second, and is cut again and again (rows 21, 23)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const { api } = await stage.start();
    await stage.settles("backlog", 3);
    await stage.fault({ fault: "cut and slow" }, async () => {
      for (let round = 0; round < 4; round++) {
        await api.set({ kind: "slow", bytesPerSecond: 2_000 });
        await stage.admin.rPush("backlog:backlog", [String(round)]);
        await pause(700);
        await api.set({ kind: "pass" });
        api.cut(round % 2 === 0 ? "rst" : "fin");
      }
    });
    await stage.size("backlog", 7);
    await stage.judge();
  });

  for (const [title, fault] of [
    ["nothing after it was done", { doneThen: "lost" }],
    ["500 before it was done", { status: 500 }],
    ["429 with Retry-After", { status: 429, headers: { "retry-after": "1" }, reason: "TooManyRequests" }],
  ] as const satisfies readonly (readonly [string, ApiFault])[]) {
    test(`${title} to a write of a size: it is written once in the end, up and down (rows 9, 21, 22)`, async () => {
      await writesOnce(plane, title, fault);
    });
  }

  test("410 to every watch, and lists of the past: nothing is asked without pause, nothing lowered by what was (rows 10, 58)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const { script, api } = await stage.start({ scripted: true });
    const past = new Map<string, string>();
    script.onAnswer(({ path, query }, text) => {
      if (path.endsWith("/deployments") && !query.has("watch") && !past.has(path)) past.set(path, text);
    });
    api.cut(); // lists and watches begin anew, and the list is kept
    await stage.settles("backlog", 3);
    await stage.admin.rPush("backlog:backlog", ["4", "5", "6"]);
    await stage.size("backlog", 6);
    let lists = 0;
    await stage.fault({ fault: "410" }, async () => {
      const began = performance.now();
      script.set((request) => {
        if (isWatch(request) && !isLease(request)) return { status: 410, reason: "Expired" };
        if (request.method !== "GET") return undefined;
        if (/\/(deployments|pods|scaledworkers)$/.test(request.path)) lists += 1;
        const text = past.get(request.path);
        return text === undefined ? undefined : { answer: text };
      });
      api.cut();
      await stage.admin.rPush("backlog:backlog", ["7"]);
      await stage.size("backlog", 7);
      const seconds = (performance.now() - began) / 1000;
      assert.ok(lists <= 3 * (6 + seconds), `${lists} lists of three kinds in ${seconds} s`);
      script.set(() => undefined);
    });
    await stage.settles("backlog", 7);
    await stage.judge();
  });

  test("every third request is refused with 500, the Lease's too, and half of the writes are done first (rows 21, 24)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const { script } = await stage.start({ scripted: true });
    await stage.settles("backlog", 3);
    let n = 0;
    await stage.fault({ fault: "500" }, async () => {
      script.set((request) => {
        n += 1;
        if (n % 3 !== 0) return undefined;
        return n % 2 === 0 && request.method !== "GET" ? { doneThen: 500 } : { status: 500 };
      });
      for (const jobs of [5, 8, 6]) {
        await stage.admin
          .multi()
          .del("backlog:backlog")
          .rPush("backlog:backlog", Array.from({ length: jobs }, String))
          .exec();
        await stage.size("backlog", jobs);
      }
      script.set(() => undefined);
    });
    await stage.settles("backlog", 6);
    await stage.judge();
  });
});
