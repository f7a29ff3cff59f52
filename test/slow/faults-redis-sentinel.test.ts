import { suite, test } from "node:test";
import { listOf, pool } from "../faults/support/pools.ts";
import { calm, heldDuring } from "../faults/support/scenario.ts";
import { type Stage, setStage } from "../faults/support/stage.ts";
import { redisCommand, startSentinel, type TestSentinel } from "../support/redis-topologies.ts";
import { waitFor } from "../support/wait.ts";

const list = pool("list", { kind: "list", max: 5, waitingPerReplica: 1 });

/** A pool over a list behind Sentinel; after `failover` the replica is the primary, and what is put in there counts. */
async function failing(fault: string, failover: (stage: Stage, sentinel: TestSentinel) => Promise<void>): Promise<void> {
  await using sentinel = await startSentinel();
  const { primary, replica, nodes } = sentinel;
  let truthPort = primary.port;
  const redis = { sentinel: { master: "main", nodes: [...nodes], database: 0 } };
  await using stage = await setStage({ pools: [list, calm], main: { redis, truthPort: () => truthPort } });
  await stage.settles("list", 3);
  await waitFor("the replica to have it all", async () => (await redisCommand(replica.port, "LLEN", listOf("list"))) === 3);
  await stage.fault({ fault, connection: "main" }, async () => {
    await failover(stage, sentinel);
    await waitFor("the replica to be the primary", () =>
      redisCommand(replica.port, "RPUSH", listOf("list"), "4").then(
        () => true,
        () => false,
      ),
    );
    truthPort = replica.port;
    await stage.settles("list", 4);
    await stage.sees("list", undefined);
  });
  heldDuring(await stage.judge(), fault, ["list"]);
}

suite("Redis behind Sentinel changes its primary", { concurrency: 1 }, () => {
  test("on demand: the new one is read, and nothing was lowered on the way (row 17)", () =>
    failing("SENTINEL FAILOVER", async (_, { nodes: [node = ""] }) => {
      await redisCommand(Number(node.split(":")[1]), "SENTINEL", "FAILOVER", "main");
    }));

  test("since the old one stands still: unknown until the new one is there, which is found without us (row 17)", () =>
    failing("SIGSTOP of the primary", async (stage, { primary }) => {
      primary.stopProcess();
      await waitFor("the trigger to be unknown", async () => (await stage.trigger("list"))?.problem !== undefined);
    }));
});
