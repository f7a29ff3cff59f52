import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { scalers } from "../../scalers/index.ts";
import { defineApi } from "../../src/api/define.ts";
import { parseDocuments } from "../../src/api/parse.ts";
import { brokers } from "../../src/brokers/brokers.ts";
import { createController } from "../../src/control/controller.ts";
import { createLedger } from "../../src/control/ledger.ts";
import { createSeries } from "../../src/telemetry/series.ts";
import { fakeHouse, fakeTarget, fakeTime, fakeWatching } from "./rig.ts";

const api = defineApi(scalers, brokers);
const wallStart = Date.parse("2026-05-01T12:00:00Z");

type Change = Readonly<{ command?: string; spec?: Readonly<Record<string, unknown>> }>;

/** Documents as users write them. */
function declared(names: readonly string[], { command = "work", spec = {} }: Change = {}) {
  const document = (kind: string, name: string, fields: unknown) =>
    JSON.stringify({ apiVersion: "worktide.dev/v1alpha1", kind, metadata: { name }, spec: fields });
  const texts = [
    document("QueueConnection", "main", { redis: { url: "redis://127.0.0.1:6379" } }),
    ...names.map((name) =>
      document("ScaledWorker", name, {
        target: { process: { command: [command] } },
        replicas: { min: 0, max: 5 },
        triggers: [{ name: "mails", connection: "main", bullmq: { queue: name }, goal: { jobsPerReplica: 1 } }],
        ...spec,
      }),
    ),
  ];
  const parsed = parseDocuments(texts.join("\n---\n"), { api, file: "worktide.yaml" });
  assert.deepEqual(parsed.findings, []);
  return parsed;
}

function begin(t: TestContext) {
  const time = fakeTime(t);
  const source = fakeWatching(time);
  const opened: { key: string; crew: ReturnType<typeof fakeTarget> }[] = [];
  const broken = new Set<string>();
  const { house, failures } = fakeHouse(time, source.watch);
  const wallClock = () => wallStart + time.now() - 1_000_000;
  const controller = createController({
    observer: { watch: source.watch, connections: () => [], checkSettings: () => {}, [Symbol.asyncDispose]: async () => {} },
    brokers: new Map(brokers.map((broker) => [broker.type, broker])),
    readers: { env: () => undefined, file: async () => "" },
    wallClock,
    openTarget: async ({ key }) => {
      if (broken.has(key)) throw new Error("no such folder");
      const crew = fakeTarget(time);
      opened.push({ key, crew });
      return crew.target;
    },
    loops: {
      ...house,
      observed: (worker, _, { changed }) => {
        const managed = changed ? controller.find(worker) : undefined;
        if (managed) ledger.touched(managed);
      },
      decided: (worker, decision) => {
        const managed = controller.find(worker);
        if (managed) ledger.decided(managed, decision);
      },
      scaled: (worker, { decision, applied }) => {
        const managed = controller.find(worker);
        if (managed) ledger.scaled(managed, decision, applied.size);
      },
    },
    failed: (doing) => void failures.push(doing),
  });
  const ledger = createLedger({ controller: () => controller, series: createSeries(), now: time.now, wallClock });
  const crewOf = (key: string) => opened.findLast((one) => one.key === key)?.crew ?? assert.fail(`${key} has no target`);
  return { time, source, controller, ledger, opened, broken, failures, crewOf };
}

describe("all workers of a process", () => {
  it("lets one target that cannot be opened stop no other", async (t) => {
    const { controller, broken, failures, crewOf, source, time } = begin(t);
    broken.add("default/bad");
    await controller.declare(declared(["bad", "good"]));
    source.read({ waiting: 2 });
    await time.settle();
    assert.equal(crewOf("default/good").size(), 2);
    assert.deepEqual(failures, ["opening the target of default/bad"]);
    broken.clear();
    await controller.declare(declared(["bad", "good"]));
    assert.ok(controller.find("default/bad"), "the next declaration tries again");
  });

  it("keeps the target of a worker whose rules change, and replaces it when its command does", async (t) => {
    const { controller, opened, crewOf, time } = begin(t);
    await controller.declare(declared(["mails"]));
    const first = crewOf("default/mails");
    await controller.declare(declared(["mails"], { spec: { concurrency: 3 } }));
    assert.equal(opened.length, 1);
    await controller.declare(declared(["mails"], { command: "other" }));
    await time.settle();
    assert.deepEqual([opened.length, first.ended()], [2, true]);
  });

  it("reads the queue of a removed worker until the last of its processes is gone", async (t) => {
    const { controller, source, crewOf, time } = begin(t);
    await controller.declare(declared(["mails"]));
    const gone = Promise.withResolvers<void>();
    crewOf("default/mails").target[Symbol.asyncDispose] = () => gone.promise;
    await controller.declare(declared([]));
    await time.settle();
    assert.equal(controller.find("default/mails"), undefined);
    assert.equal(source.stopped(), 0);
    gone.resolve();
    await time.settle();
    assert.equal(source.stopped(), 1);
  });

  it("ends all targets when it closes, the failing ones too", async (t) => {
    const { controller, crewOf, failures } = begin(t);
    await controller.declare(declared(["a", "b"]));
    crewOf("default/a").target[Symbol.asyncDispose] = () => Promise.reject(new Error("stuck"));
    let told = 0;
    await controller.close(() => {
      told += 1;
    });
    assert.equal(told, 2);
    assert.ok(crewOf("default/b").ended());
    assert.deepEqual(failures, ["ending default/a"]);
  });

  it("ends a pause at its time", async (t) => {
    const { controller, crewOf, source, ledger, time } = begin(t);
    const pause = { directions: "Both", reason: "deploy", until: new Date(wallStart + 90_000).toISOString() };
    await controller.declare(declared(["mails"], { spec: { pause } }));
    source.read({ waiting: 2 });
    await time.settle();
    const paused = () => ledger.worker("default", "mails")?.conditions.find(({ type }) => type === "Paused")?.status;
    assert.deepEqual([crewOf("default/mails").size(), paused()], [0, "True"]);
    await time.pass(89_000);
    source.read({ waiting: 2 });
    await time.settle();
    assert.equal(crewOf("default/mails").size(), 0);
    await time.pass(1500);
    source.read({ waiting: 2 });
    await time.settle();
    assert.deepEqual([crewOf("default/mails").size(), paused()], [2, "False"]);
  });
});

describe("what is told of them", () => {
  it("has the size, the reasons and the last change of each, and forgets who is gone", async (t) => {
    const { controller, ledger, source, time } = begin(t);
    const hints: unknown[] = [];
    ledger.subscribe((hint) => hints.push(hint));
    await controller.declare(declared(["mails"]));
    source.read({ waiting: 3, workers: [] });
    await time.settle();
    const told = ledger.worker("default", "mails");
    assert.equal(told?.pool?.wanted, 3);
    assert.deepEqual(told?.lastChange, { at: new Date(wallStart).toISOString(), from: 0, to: 3, reason: "WorkWaiting" });
    assert.ok(told?.changes.some(({ from, to }) => from === 0 && to === 3));
    assert.equal(told?.triggers[0]?.waiting, 3);
    assert.ok((told?.whatWouldChange.length ?? 0) > 0);
    assert.equal(ledger.brief()[0]?.whatWouldChange.length, 0, "a scrape asks for no explanations");
    assert.ok(ledger.series("default", "mails", 0).t.length > 0);
    assert.ok(hints.length > 0);
    await controller.declare(declared([]));
    ledger.declared();
    assert.equal(ledger.worker("default", "mails"), undefined);
    assert.deepEqual(ledger.series("default", "mails", 0).t, []);
  });

  it("tells since when a condition holds though nobody looked, an alarm that came and went too", async (t) => {
    const { controller, ledger, source, time } = begin(t);
    await controller.declare(declared(["mails"]));
    ledger.declared();
    const since = (type: string) => {
      const found = ledger.worker("default", "mails")?.conditions.find((condition) => condition.type === type);
      return [found?.status, (Date.parse(found?.since ?? "") - wallStart) / 1000];
    };
    await time.pass(5_000);
    source.read({ waiting: 2 });
    await time.settle();
    await time.pass(10_000);
    source.read({ waiting: 2 }, false);
    source.fail();
    await time.pass(20_000);
    assert.deepEqual(
      [since("Paused"), since("Active"), since("Ready")],
      [
        ["False", 0],
        ["True", 5],
        ["True", 5],
      ],
    );
    assert.deepEqual(since("ReadingsFresh"), ["False", 15]);
    await time.pass(80_000);
    source.read({ waiting: 2 });
    await time.settle();
    await time.pass(1_000);
    assert.deepEqual(
      [since("Ready"), since("ReadingsFresh")],
      [
        ["True", 115],
        ["True", 115],
      ],
      "an alarm lay in between",
    );
  });

  it("counts nobody as busy while it is not known, and tells since when no worker takes what waits", async (t) => {
    const { controller, ledger, source, time } = begin(t);
    await controller.declare(declared(["mails"]));
    const told = () => ledger.worker("default", "mails");
    source.read({ waiting: 2, running: 0, workers: [] });
    await time.settle();
    await time.pass(4_000);
    assert.equal(told()?.untakenSince, new Date(wallStart).toISOString());
    await time.pass(4_000);
    source.read({ waiting: 3, running: 0, workers: [] });
    await time.settle();
    assert.equal(told()?.untakenSince, new Date(wallStart).toISOString(), "since the first of them was up");
    source.read({ waiting: 2, running: 1, workers: [] });
    await time.settle();
    assert.deepEqual([told()?.untakenSince, told()?.busy], [undefined, 1]);
    source.fail();
    await time.settle();
    assert.deepEqual([told()?.busy, ledger.series("default", "mails", 0).busy.at(-1)], [undefined, null]);
  });

  it("moves the time of a condition only when its status changes", async (t) => {
    const { controller, ledger, source, time } = begin(t);
    await controller.declare(declared(["mails"]));
    source.read({ waiting: 1 });
    await time.settle();
    const active = () => ledger.worker("default", "mails")?.conditions.find(({ type }) => type === "Active");
    const since = active()?.since;
    await time.pass(3000);
    source.read({ waiting: 4 });
    await time.settle();
    assert.deepEqual([active()?.status, active()?.since], ["True", since]);
  });
});
