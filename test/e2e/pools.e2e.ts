import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../support/wait.ts";
import { openRoom, type Room } from "./room.ts";
import { theStage } from "./stage.ts";
import { bullmqCommand, celeryCommand, connection, scaledWorker, workers } from "./workloads.ts";

const WAIT_MS = 120_000;
const LONG_MS = 60_000;
const max = 4;
const stage = theStage();
const { journal } = stage;

const pools = [
  {
    kind: "BullMQ",
    name: "mails",
    command: bullmqCommand,
    queue: { bullmq: { queue: "mails" } },
    add: (room: Room, ms: number, count: number) =>
      room.addBullmq(
        "mails",
        Array.from({ length: count }, () => ({ ms })),
      ),
  },
  {
    kind: "Celery",
    name: "films",
    command: celeryCommand,
    queue: { celery: { queues: ["celery"] } },
    add: (room: Room, ms: number, count: number) => room.addCelery([{ ms, count }]),
  },
] as const;

for (const { kind, name, command, queue, add } of pools) {
  describe(`a pool of ${kind} workers in the cluster`, () => {
    let room: Room;
    let sizes: Awaited<ReturnType<Room["sizes"]>>;
    before(async () => {
      room = await openRoom(stage);
      await stage.apply(
        [workers(name, command, { journal, graceSeconds: 90 }), connection(room.name), scaledWorker(name, queue, max)],
        room.name,
      );
      await stage.kubectl(["wait", "-n", room.name, "--for=condition=Ready", `scaledworker/${name}`, "--timeout=60s"]);
      sizes = await room.sizes(name);
    });
    after(() => room?.[Symbol.asyncDispose]());

    const becomes = (size: number) => waitFor(`${size} replicas`, () => sizes.at(-1)?.replicas === size, WAIT_MS);
    const accounts = async () => {
      const { begun, ended, killed } = await room.journal(name);
      return { begun: begun.length, ended: ended.length, killed: killed.length, first: begun[0] };
    };

    it("goes from zero to its largest size in one write, and back to zero when all is done", async (t) => {
      const added = process.hrtime.bigint();
      await add(room, 1000, 12);
      await becomes(max);
      await waitFor("the end of all jobs", async () => (await accounts()).ended === 12, WAIT_MS);
      await becomes(0);
      assert.deepEqual(
        sizes.slice(0, 2).map(({ replicas }) => replicas),
        [0, max],
      );
      const { begun, killed, first } = await accounts();
      assert.deepEqual({ begun, killed }, { begun: 12, killed: 0 });
      const after = (at: bigint | undefined) => `${Number((at ?? 0n) - added) / 1e6} ms`;
      t.diagnostic(
        `written ${after(sizes[1]?.at)} after the first was added, first job begun ${after(BigInt(first?.t ?? 0))} after`,
      );
    });

    it("never takes a worker with a job in hand, however often the pool shrinks around it", async () => {
      const before = await accounts();
      await add(room, LONG_MS, 1);
      await waitFor("the begin of the long job", async () => (await accounts()).begun === before.begun + 1, WAIT_MS);
      const from = sizes.length;
      let short = 0;
      for (let burst = 0; burst < 3; burst++, short += 6) {
        await add(room, 300, 6);
        await becomes(max);
        await becomes(1);
      }
      assert.equal((await accounts()).ended, before.ended + short, "the long job still runs");
      await waitFor("the end of the long job", async () => (await accounts()).ended === before.ended + short + 1, WAIT_MS);
      await becomes(0);
      const { begun, killed } = await accounts();
      assert.deepEqual({ begun, killed }, { begun: before.begun + short + 1, killed: 0 });
      const shrunk = sizes.slice(from).filter(({ replicas }) => replicas === 1).length;
      assert.ok(shrunk >= 3, `it shrank ${shrunk} times around the job`);
    });
  });
}

after(() => stage[Symbol.asyncDispose]());
