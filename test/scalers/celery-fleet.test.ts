import assert from "node:assert/strict";
import { test } from "node:test";
import { crewOf } from "../../scalers/celery/crew.ts";
import { fleetOf, hear, refresh } from "../../scalers/celery/fleet.ts";
import type { Post } from "../../scalers/celery/post.ts";

const { signal } = new AbortController();

/** Workers `a`, `b` … with what they have in hand; time goes by only when it is told to. */
async function station(...names: readonly string[]) {
  const connected = new Set(names);
  const post: Post = {
    listen: async () => 0,
    countListeners: async () => connected.size,
    call: async ({ method, destination = names }) => {
      if (method !== "active_queues") return { receivers: 0, byNode: new Map() };
      const byNode = new Map(
        destination.filter((name) => speaking.has(name) && connected.has(name)).map((name) => [name, [{ name: "mails" }]]),
      );
      return { receivers: destination.length, byNode };
    },
  };
  const speaking = new Map<string, number>(names.map((name) => [name, 0]));
  const fleet = await fleetOf(post, signal);
  let now = 100_000;
  const crew = () => crewOf(fleet, new Set(["mails"]), now);
  const beat = () => {
    for (const [name, active] of speaking) hear(fleet, { type: "worker-heartbeat", hostname: name, active, processed: 9 }, now);
  };
  beat();
  await refresh(fleet, signal, now);
  return {
    connected,
    speaking,
    goodbye: (name: string) => hear(fleet, { type: "worker-offline", hostname: name, active: 0, processed: 9 }, now),
    /** Beats every 2 s, looked at every second. */
    async pass(seconds: number) {
      for (const end = now + seconds * 1000; now < end; ) {
        now += 1000;
        if (now % 2000 === 0) beat();
        await refresh(fleet, signal, now);
      }
      return crew();
    },
  };
}

test("a worker that is gone is forgotten, and what it had in hand with it", async () => {
  const { connected, speaking, pass } = await station("a@x", "b@x");
  speaking.set("a@x", 1);
  assert.equal((await pass(2)).running, 1);
  connected.delete("a@x");
  speaking.delete("a@x");
  const { workers, running } = await pass(14);
  assert.deepEqual([workers.map(({ id }) => id), running], [["b"], 0]);
});

test("a silent worker with a task in hand is not forgotten because another one is killed", async () => {
  const { connected, speaking, pass } = await station("a@x", "b@x", "c@x");
  speaking.set("a@x", 1);
  await pass(2);
  speaking.delete("a@x"); // its main loop is starved: still connected, and at work
  assert.equal((await pass(8)).running, 1);
  connected.delete("b@x");
  speaking.delete("b@x");
  for (let second = 0; second < 20; second++) assert.ok((await pass(1)).running >= 1, `forgotten after ${second} s`);
  speaking.set("a@x", 1);
  assert.equal((await pass(10)).running, 1);
});

test("a silent worker with a task in hand is not forgotten because another one starts, which beats before it takes commands", async () => {
  const { connected, speaking, pass } = await station("a@x");
  speaking.set("a@x", 1);
  await pass(2);
  speaking.delete("a@x");
  speaking.set("b@x", 0); // not connected as a listener yet
  for (let second = 0; second < 18; second++) assert.ok((await pass(1)).running >= 1, `forgotten after ${second} s`);
  connected.add("b@x");
  assert.equal((await pass(4)).running, 1);
});

test("what runs is known on as soon as a worker has said goodbye", async () => {
  const { connected, speaking, pass, goodbye } = await station("a@x", "b@x");
  speaking.set("a@x", 1);
  await pass(2);
  connected.delete("b@x");
  speaking.delete("b@x");
  goodbye("b@x");
  const { complete, running, workers } = await pass(1);
  assert.deepEqual([complete, running, workers.map(({ id }) => id)], [true, 1, ["a"]]);
});
