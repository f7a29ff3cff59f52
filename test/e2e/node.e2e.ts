import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../support/wait.ts";
import { openRoom, type Room } from "./room.ts";
import { theStage } from "./stage.ts";
import { bullmqCommand, celeryCommand, workers } from "./workloads.ts";

const WAIT_MS = 90_000;
const stage = theStage();
const { journal } = stage;

describe("the cluster for end-to-end tests", () => {
  let room: Room;
  before(async () => {
    room = await openRoom(stage);
    const options = { journal, graceSeconds: 30 };
    await stage.apply([workers("mails", bullmqCommand, options), workers("films", celeryCommand, options)], room.name);
  });
  after(async () => {
    await room[Symbol.asyncDispose]();
    await stage[Symbol.asyncDispose]();
  });
  const scale = (name: string, replicas: number) =>
    stage.kubectl(["scale", "-n", room.name, `deployment/${name}`, `--replicas=${replicas}`]);
  const pods = (name: string, count: number) =>
    waitFor(`${count} ready pods of ${name}`, async () => (await room.readyPods(name)) === count, WAIT_MS);

  it("runs BullMQ workers in pods, as many as the scale says, which find Redis by its name", async () => {
    await room.addBullmq("mails", [{ ms: 0 }, { ms: 0 }]);
    await scale("mails", 2);
    await pods("mails", 2);
    await waitFor("the end of both jobs", async () => (await room.journal("mails")).ended.length === 2, WAIT_MS);
    await scale("mails", 0);
    await pods("mails", 0);
  });

  it("runs Celery workers, and lets one that was told to stop end its job", async () => {
    await room.addCelery([{ ms: 5000 }]);
    await scale("films", 1);
    await waitFor("the begin of the job", async () => (await room.journal("films")).begun.length === 1, WAIT_MS);
    await scale("films", 0);
    await pods("films", 0);
    const { begun, ended, killed } = await room.journal("films");
    assert.deepEqual([begun.length, ended.length, killed.length], [1, 1, 0]);
  });
});
