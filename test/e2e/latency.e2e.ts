import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../support/wait.ts";
import { openRoom, type Room } from "./room.ts";
import { theStage } from "./stage.ts";
import { bullmqCommand, connection, scaledWorker, workers } from "./workloads.ts";

const WAIT_MS = 120_000;
const rounds = 7;
const stage = theStage();

/** Enough to tell being woken from being polled on a busy machine; what is aimed at is 50 ms and 3 s. */
const writtenMs = 2_000;
const begunMs = 20_000;

describe("from the first job to the first worker", () => {
  let room: Room;
  before(async () => {
    room = await openRoom(stage);
    const queue = { bullmq: { queue: "mails" } };
    await stage.apply(
      [workers("mails", bullmqCommand, { journal: stage.journal }), connection(room.name), scaledWorker("mails", queue, 2)],
      room.name,
    );
    await stage.kubectl(["wait", "-n", room.name, "--for=condition=Ready", "scaledworker/mails", "--timeout=60s"]);
  });
  after(async () => {
    await room?.[Symbol.asyncDispose]();
    await stage[Symbol.asyncDispose]();
  });

  it("writes the size when the job is added, and the job is begun as soon as a pod is up", async (t) => {
    const sizes = await room.sizes("mails");
    const written: number[] = [];
    const begun: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const [seen, added] = [sizes.length, process.hrtime.bigint()];
      await room.addBullmq("mails", [{ ms: 0 }]);
      await waitFor("a write", () => sizes.length > seen, WAIT_MS);
      await waitFor("the begin of the job", async () => (await room.journal("mails")).begun.length > round, WAIT_MS);
      const first = (await room.journal("mails")).begun[round];
      written.push(Number((sizes[seen]?.at ?? 0n) - added) / 1e6);
      begun.push(Number(BigInt(first?.t ?? 0) - added) / 1e6);
      await waitFor("an empty pool", async () => sizes.at(-1)?.replicas === 0 && (await room.readyPods("mails")) === 0, WAIT_MS);
    }
    t.diagnostic(`written after ${told(written)}; first job begun after ${told(begun)}`);
    assert.ok(median(written) < writtenMs, `written after ${told(written)}`);
    assert.ok(median(begun) < begunMs, `begun after ${told(begun)}`);
  });
});

const sorted = (values: readonly number[]) => values.toSorted((a, b) => a - b);
const median = (values: readonly number[]) => sorted(values)[values.length >> 1] ?? Number.NaN;
const told = (values: readonly number[]) =>
  `${median(values).toFixed(0)} ms (p50; ${sorted(values)
    .map((ms) => ms.toFixed(0))
    .join(", ")})`;
