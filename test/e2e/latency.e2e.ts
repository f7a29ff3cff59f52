import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../support/wait.ts";
import { openRoom, type Room } from "./room.ts";
import { theStage } from "./stage.ts";
import { bullmqCommand, celeryCommand, connection, scaledWorker, workers } from "./workloads.ts";

const WAIT_MS = 120_000;
const rounds = 7;
const stage = theStage();

/** Enough to tell being woken from being polled on a busy machine; what is aimed at is 50 ms and 3 s. */
const writtenMs = 2_000;
const begunMs = 20_000;

const pools = [
  {
    kind: "BullMQ",
    name: "mails",
    command: bullmqCommand,
    queue: { bullmq: { queue: "mails" } },
    add: (room: Room) => room.addBullmq("mails", [{ ms: 0 }]),
  },
  {
    kind: "Celery",
    name: "films",
    command: celeryCommand,
    queue: { celery: { queues: ["celery"] } },
    add: (room: Room) => room.addCelery([{ ms: 0 }]),
  },
] as const;

for (const { kind, name, command, queue, add } of pools) {
  describe(`from the first job of ${kind} to the first worker`, () => {
    let room: Room;
    before(async () => {
      room = await openRoom(stage);
      await stage.apply(
        [workers(name, command, { journal: stage.journal }), connection(room.name), scaledWorker(name, queue, 2)],
        room.name,
      );
      await stage.kubectl(["wait", "-n", room.name, "--for=condition=Ready", `scaledworker/${name}`, "--timeout=60s"]);
    });
    after(() => room?.[Symbol.asyncDispose]());

    it("writes the size when the job is added, and the job is begun as soon as a pod is up", async (t) => {
      const sizes = await room.sizes(name);
      const written: number[] = [];
      const begun: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const seen = sizes.length;
        const added = await add(room);
        await waitFor("a write", () => sizes.length > seen, WAIT_MS);
        await waitFor("the begin of the job", async () => (await room.journal(name)).begun.length > round, WAIT_MS);
        const first = (await room.journal(name)).begun[round];
        written.push(Number((sizes[seen]?.at ?? 0n) - added) / 1e6);
        begun.push(Number(BigInt(first?.t ?? 0) - added) / 1e6);
        await waitFor("an empty pool", async () => sizes.at(-1)?.replicas === 0 && (await room.readyPods(name)) === 0, WAIT_MS);
      }
      t.diagnostic(`written after ${told(written)}; first job begun after ${told(begun)}`);
      assert.ok(median(written) < writtenMs, `written after ${told(written)}`);
      assert.ok(median(begun) < begunMs, `begun after ${told(begun)}`);
    });
  });
}

after(() => stage[Symbol.asyncDispose]());

const sorted = (values: readonly number[]) => values.toSorted((a, b) => a - b);
const median = (values: readonly number[]) => sorted(values)[values.length >> 1] ?? Number.NaN;
const told = (values: readonly number[]) =>
  `${median(values).toFixed(0)} ms (p50; ${sorted(values)
    .map((ms) => ms.toFixed(0))
    .join(", ")})`;
