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

    it("goes from zero to its largest size at once, and back to zero when all is done", async (t) => {
      const added = await add(room, 1000, 12);
      await becomes(max);
      await waitFor("the end of all jobs", async () => (await room.journal(name)).ended.length >= 12, WAIT_MS);
      await becomes(0);
      const up = sizes.findIndex(({ replicas }) => replicas === max);
      // Celery's producer sends one after the other: the first may be seen alone.
      assert.ok(kind === "BullMQ" ? up === 1 : up <= 2, `sizes ${sizes.map(({ replicas }) => replicas)}`);
      const { begun, ended, killed } = await room.journal(name);
      assert.deepEqual([begun.length, ended.length, killed.length], [12, 12, 0]);
      const after = (at: bigint) => `${Number(at - added) / 1e6} ms`;
      const [written, first] = [sizes[1]?.at ?? 0n, BigInt(begun[0]?.t ?? 0)];
      t.diagnostic(`written ${after(written)} after the first was added, first job begun ${after(first)} after`);
    });

    it("never takes a worker with a job in hand, however often the pool shrinks around it", async (t) => {
      const earlier = await room.journal(name);
      await add(room, LONG_MS, 1);
      await waitFor(
        "the begin of the long job",
        async () => (await room.journal(name)).begun.length > earlier.begun.length,
        WAIT_MS,
      );
      const long = (await room.journal(name)).begun[earlier.begun.length];
      const end = async () => (await room.journal(name)).ended.find(({ job }) => job === long?.job);
      let short = 0;
      while (!(await end())) {
        // Two idle workers that are left are busy with them for 3 s: longer than it takes to see them.
        await add(room, 500, 12);
        short += 12;
        await becomes(max);
        await waitFor("a smaller pool", () => (sizes.at(-1)?.replicas ?? max) < max, WAIT_MS);
      }
      await becomes(0);
      const { begun, ended, killed } = await room.journal(name);
      const all = earlier.begun.length + 1 + short;
      assert.deepEqual([begun.length, ended.length, killed], [all, all, []]);
      const inHand = [BigInt(long?.t ?? 0), BigInt((await end())?.t ?? 0)] as const;
      const shrunk = sizes.filter(
        ({ at, replicas }, i) => at > inHand[0] && at < inHand[1] && replicas < (sizes[i - 1]?.replicas ?? 0),
      );
      assert.ok(shrunk.length > 0, "the pool shrank while the job was in hand");
      const { items } = await stage.json<{ items: readonly { reason: string; note: string }[] }>(
        ...["get", "events.v1.events.k8s.io", "-n", room.name, "--field-selector", "type=Warning"],
      );
      const told = (reason: string) => items.filter((one) => one.reason === reason).map(({ note }) => note);
      assert.deepEqual(told("ScaledByOther"), [], "nobody else sets its size");
      for (const note of told("WrongWorkerRemoved")) t.diagnostic(note);
    });
  });
}

after(() => stage[Symbol.asyncDispose]());
