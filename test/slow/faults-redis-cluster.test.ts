import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { slotOf } from "../../src/brokers/redis-slots.ts";
import { listOf, type Pool, pool } from "../faults/support/pools.ts";
import { calm, heldDuring } from "../faults/support/scenario.ts";
import { type Stage, setStage } from "../faults/support/stage.ts";
import { redisCommand, startCluster, type TestCluster } from "../support/redis-topologies.ts";
import { needsRedis7 } from "../support/redis-version.ts";
import { waitFor } from "../support/wait.ts";

/** One pool for each node, whose list lies there. */
const poolsOf = (cluster: TestCluster): readonly Pool[] =>
  cluster.servers.map((server, index) => {
    const names = Array.from({ length: 100 }, (_, n) => `list-${index}-${n}`);
    const name = names.find((one) => cluster.ownerOf(slotOf(listOf(one))) === server) ?? assert.fail("no name leads there");
    return pool(name, { kind: "list", max: 5, waitingPerReplica: 1 });
  });

async function withCluster(work: (stage: Stage, cluster: TestCluster, names: readonly string[]) => Promise<void>): Promise<void> {
  await using cluster = await startCluster(3);
  const pools = poolsOf(cluster);
  const truthPort = (name: string) => ports.get(name) ?? cluster.ownerOf(slotOf(listOf(name))).port;
  ports.clear();
  const redis = { cluster: { nodes: [...cluster.nodes] } };
  await using stage = await setStage({ pools: [...pools, calm], main: { redis, truthPort } });
  for (const { name } of pools) await stage.settles(name, 3);
  await work(
    stage,
    cluster,
    pools.map(({ name }) => name),
  );
}

/** Where lists are that have moved. */
const ports = new Map<string, number>();

const known = (stage: Stage, name: string) =>
  waitFor(`${name} to be known`, async () => (await stage.trigger(name))?.problem === undefined);

suite("A Redis Cluster changes under us", { concurrency: 1, skip: needsRedis7 }, () => {
  test("a slot moves to another node, key by key: its list is read wherever it is, and nothing is lowered (row 46)", () =>
    withCluster(async (stage, cluster, [name = ""]) => {
      const slot = slotOf(listOf(name));
      const source = cluster.ownerOf(slot);
      const target = cluster.servers.find((server) => server !== source) ?? assert.fail("there are three");
      const idOf = async (port: number) => String(await redisCommand(port, "CLUSTER", "MYID"));
      const [from, to] = [await idOf(source.port), await idOf(target.port)];
      await stage.fault({ fault: "resharding", connection: "main", readable: true }, async () => {
        await redisCommand(target.port, "CLUSTER", "SETSLOT", String(slot), "IMPORTING", from);
        await redisCommand(source.port, "CLUSTER", "SETSLOT", String(slot), "MIGRATING", to);
        await pause(1000);
        await redisCommand(source.port, "MIGRATE", "127.0.0.1", String(target.port), listOf(name), "0", "5000");
        ports.set(name, target.port);
        await pause(1000);
        for (const { port } of [target, source]) await redisCommand(port, "CLUSTER", "SETSLOT", String(slot), "NODE", to);
        await redisCommand(target.port, "RPUSH", listOf(name), "4");
        await stage.settles(name, 4);
      });
      await known(stage, name);
      heldDuring(await stage.judge(), "resharding", [name]);
    }));

  test("one node stands still: its pools are unknown and held, those of the others grow on (row 47)", () =>
    withCluster(async (stage, cluster, [lost = "", other = ""]) => {
      const node = cluster.ownerOf(slotOf(listOf(lost)));
      const alive = cluster.ownerOf(slotOf(listOf(other)));
      await stage.fault({ fault: "SIGSTOP of a node", connection: "main" }, async () => {
        node.stopProcess();
        await stage.sees(lost, "timeout");
        await redisCommand(alive.port, "RPUSH", listOf(other), "4");
        await stage.settles(other, 4);
        assert.equal(stage.processes(lost).length, 3);
        node.contProcess();
      });
      await known(stage, lost);
      await redisCommand(node.port, "RPUSH", listOf(lost), "4");
      await stage.settles(lost, 4);
      heldDuring(await stage.judge(), "SIGSTOP of a node", [lost, other]);
    }));

  test("one node is killed for good: its pools are held, those of the others go on both ways (row 47)", () =>
    withCluster(async (stage, cluster, [lost = "", other = ""]) => {
      const alive = cluster.ownerOf(slotOf(listOf(other)));
      await stage.fault({ fault: "kill -9 of a node", connection: "main" }, async () => {
        await cluster.ownerOf(slotOf(listOf(lost))).kill9();
        await waitFor(`${lost} to be unknown`, async () => (await stage.trigger(lost))?.problem !== undefined);
        await redisCommand(alive.port, "RPUSH", listOf(other), "4");
        await stage.settles(other, 4);
        await redisCommand(alive.port, "LPOP", listOf(other), "2");
        await stage.settles(other, 2);
        assert.equal(stage.processes(lost).length, 3);
        await stage.judge();
      });
    }));
});
