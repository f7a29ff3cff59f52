import assert from "node:assert/strict";
import { test } from "node:test";
import type { LiveOptions } from "../../src/web/live.ts";
import { createLive } from "../../src/web/live.ts";
import { createSynthetic, workerOf } from "./synthetic.ts";

const now = Date.parse("2026-01-01T00:00:00Z");
const point = (t: number, waiting = 1) => ({ t, waiting, oldestMs: null, wanted: 1, existing: 1, busy: 0 });

function liveOf(over: Partial<LiveOptions> = {}) {
  const synthetic = createSynthetic([workerOf(now)]);
  const live = createLive({
    source: synthetic.source,
    subscribe: synthetic.events,
    redact: (text) => text,
    wallClock: () => now,
    gatherMs: 1,
    ...over,
  });
  return { synthetic, live };
}

type Message = Readonly<{ event: string; data: Record<string, unknown> }>;

/** Reads messages of a stream one by one. */
function reading(stream: ReadableStream<Uint8Array> | undefined) {
  assert.ok(stream);
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    async next(): Promise<Message> {
      while (!/event: .*\ndata: .*\n\n/.test(text)) {
        const { value, done } = await reader.read();
        assert.ok(!done, "the stream has ended");
        text += value;
      }
      const match = /event: (\w+)\ndata: (.*)\n\n/.exec(text);
      assert.ok(match);
      text = text.slice(match.index + match[0].length);
      return { event: match[1] ?? "", data: JSON.parse(match[2] ?? "") as Record<string, unknown> };
    },
    async ended(): Promise<boolean> {
      for (;;) if ((await reader.read()).done) return true;
    },
    stop: () => reader.cancel(),
  };
}

test("A viewer gets everything first, and then what changes", async () => {
  const { live, synthetic } = liveOf();
  synthetic.point(workerOf(now), point(now - 2_000));
  const viewer = reading(live.open());
  const first = await viewer.next();
  assert.equal(first.event, "snapshot");
  const [worker] = first.data["workers"] as { name: string; series: { t: number[] } }[];
  assert.deepEqual([worker?.name, worker?.series.t], ["mails", [now - 2_000]]);
  synthetic.set(workerOf(now, { busy: 1 }), point(now + 1_000, 5));
  const second = await viewer.next();
  assert.equal(second.event, "worker");
  assert.equal(second.data["busy"], 1);
  assert.deepEqual((second.data["series"] as { t: number[] }).t, [now + 1_000]);
  synthetic.remove("default", "mails");
  assert.deepEqual(await viewer.next(), { event: "gone", data: { namespace: "default", name: "mails" } });
  await viewer.stop();
});

test("Many changes within a moment make one message", async () => {
  const { live, synthetic } = liveOf();
  const viewer = reading(live.open());
  await viewer.next();
  for (let busy = 0; busy < 100; busy++) synthetic.set(workerOf(now, { busy }));
  assert.equal((await viewer.next()).data["busy"], 99);
  synthetic.remove("default", "mails");
  assert.equal((await viewer.next()).event, "gone", "there was no second message");
  await viewer.stop();
});

test("A change is written once however many look", async () => {
  let asked = 0;
  const { synthetic } = liveOf();
  const source = {
    ...synthetic.source,
    worker: (namespace: string, name: string) => {
      asked++;
      return synthetic.source.worker(namespace, name);
    },
  };
  const { live } = {
    live: createLive({ source, subscribe: synthetic.events, redact: (text) => text, wallClock: () => now, gatherMs: 1 }),
  };
  const viewers = Array.from({ length: 20 }, () => reading(live.open()));
  for (const viewer of viewers) await viewer.next();
  synthetic.set(workerOf(now, { busy: 2 }));
  for (const viewer of viewers) assert.equal((await viewer.next()).data["busy"], 2);
  assert.equal(asked, 1);
  live[Symbol.dispose]();
});

test("While nobody looks nothing is subscribed to", async () => {
  const { live, synthetic } = liveOf();
  assert.equal(synthetic.listeners(), 0);
  const viewer = reading(live.open());
  await viewer.next();
  assert.equal(synthetic.listeners(), 1);
  await viewer.stop();
  assert.equal(synthetic.listeners(), 0);
  assert.equal(live.viewers(), 0);
});

test("A viewer that does not read is dropped, and the others go on", async () => {
  const { live, synthetic } = liveOf({ lagBytes: 10_000 });
  const slow = live.open();
  const viewer = reading(live.open());
  await viewer.next();
  for (let busy = 0; live.viewers() === 2; busy++) {
    assert.ok(busy < 100, "it was never dropped");
    synthetic.set(workerOf(now, { busy }));
    assert.equal((await viewer.next()).data["busy"], busy);
  }
  assert.equal(await reading(slow).ended(), true);
  synthetic.set(workerOf(now, { busy: 1_000 }));
  assert.equal((await viewer.next()).data["busy"], 1_000);
  await viewer.stop();
});

test("Viewers past the limit are turned away", () => {
  const { live } = liveOf({ mostViewers: 2 });
  assert.ok(live.open() && live.open());
  assert.equal(live.open(), undefined);
  live[Symbol.dispose]();
  assert.ok(live.open());
  live[Symbol.dispose]();
});

test("A sign of life comes although nothing changes, with the connections", async () => {
  const { live, synthetic } = liveOf({ beatMs: 5 });
  synthetic.connect([{ name: "default/main", type: "redis", up: false, triggers: 1, rounds: 1 }]);
  const viewer = reading(live.open());
  await viewer.next();
  const { event, data } = await viewer.next();
  assert.equal(event, "beat");
  assert.equal((data["connections"] as { up: boolean }[])[0]?.up, false);
  await viewer.stop();
});

test("With hundreds of workers the first message carries no series", async () => {
  const { live, synthetic } = liveOf();
  for (let i = 0; i < 300; i++) synthetic.set(workerOf(now, { name: `w${i}` }), point(now));
  const viewer = reading(live.open());
  const workers = (await viewer.next()).data["workers"] as { series?: unknown }[];
  assert.equal(workers.length, 301);
  assert.ok(workers.every(({ series }) => series === undefined));
  await viewer.stop();
});
