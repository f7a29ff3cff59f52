import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { RedisReader } from "../../src/brokers/redis-client.ts";
import { slotOf } from "../../src/brokers/redis-slots.ts";
import type { Session } from "../../src/core/contract.ts";
import { redisCommand, startCluster, type TestCluster } from "../support/redis-topologies.ts";
import { needsRedis7 } from "../support/redis-version.ts";
import { problemOf, soon } from "../support/scaler-lab.ts";
import { waitFor } from "../support/wait.ts";
import { lengths, oneAnswer, open } from "./support.ts";

describe("slots", () => {
  it("are those of the specification, by what stands in the first braces", () => {
    assert.equal(slotOf("123456789"), 0x31c3);
    assert.equal(slotOf("{user1000}.following"), slotOf("{user1000}.followers"));
    assert.equal(slotOf("foo{}{bar}"), slotOf("foo{}{bar}"));
    assert.notEqual(slotOf("foo{}{bar}"), slotOf("bar"));
    assert.equal(slotOf("foo{{bar}}zap"), slotOf("{bar"));
    assert.equal(slotOf("grüße"), slotOf("{grüße}.x"));
  });
});

describe("a Redis Cluster", { skip: needsRedis7 }, () => {
  let cluster: TestCluster;
  let session: Session<RedisReader>;
  const keys = Array.from({ length: 40 }, (_, i) => `queue:${i}`);
  before(async () => {
    cluster = await startCluster(3);
    session = await open({ cluster: { nodes: [...cluster.nodes] } });
    for (const key of keys) await session.client.command(["RPUSH", key, "1", "2"], soon(), key);
  });
  after(async () => {
    session.destroy();
    await cluster[Symbol.asyncDispose]();
  });

  it("is read in the order of the queries, wherever their keys are, with an epoch for each node", async () => {
    assert.deepEqual(await lengths(session.client, [...keys, "none"]), [...keys.map(() => 2), 0]);
    const answers = await Promise.all(keys.map((key) => oneAnswer(session.client, key)));
    assert.equal(new Set(answers.map((answer) => ("value" in answer ? answer.epoch : answer.problem.message))).size, 3);
  });

  it("needs one of its nodes to begin with, and says what is wrong where none answers", async () => {
    await using other = await open({ cluster: { nodes: ["127.0.0.1:1", cluster.nodes[2] ?? ""] } });
    assert.deepEqual(await lengths(other.client, ["queue:1"]), [2]);
    assert.equal((await problemOf(open({ cluster: { nodes: ["127.0.0.1:1"] } }))).kind, "unreachable");
  });

  it("tells of changes on each node", async () => {
    using end = new DisposableStack();
    const heard = new Set<string>();
    for (const key of keys) end.use(session.client.onChange([key], () => heard.add(key)));
    await lengths(session.client, keys);
    for (const key of keys) await session.client.command(["RPUSH", key, "3"], soon(), key);
    await waitFor("all hints", () => heard.size === keys.length);
    for (const key of keys) await session.client.command(["RPOP", key], soon(), key);
    end.dispose();
  });

  it("is read while a slot moves and after it has moved", async () => {
    const [tag, first, second] = ["{t}:", "{t}:a", "{t}:b"];
    for (const key of [first, second]) await session.client.command(["RPUSH", key, "1"], soon(), key);
    const slot = String(slotOf(tag));
    const source = cluster.ownerOf(slotOf(tag));
    const target = cluster.servers.find((server) => server !== source);
    assert.ok(target);
    const [from, to] = [
      String(await redisCommand(source.port, "CLUSTER", "MYID")),
      String(await redisCommand(target.port, "CLUSTER", "MYID")),
    ];
    const read = () => lengths(session.client, [first, second, "{t}:none"]);
    await redisCommand(target.port, "CLUSTER", "SETSLOT", slot, "IMPORTING", from);
    await redisCommand(source.port, "CLUSTER", "SETSLOT", slot, "MIGRATING", to);
    assert.deepEqual(await read(), [1, 1, 0]);
    await redisCommand(source.port, "MIGRATE", "127.0.0.1", String(target.port), first, "0", "1000");
    assert.deepEqual(await read(), [1, 1, 0], "one key here, one there");
    await redisCommand(source.port, "MIGRATE", "127.0.0.1", String(target.port), second, "0", "1000");
    assert.deepEqual(await read(), [1, 1, 0], "both there");
    for (const { port } of [target, source]) await redisCommand(port, "CLUSTER", "SETSLOT", slot, "NODE", to);
    assert.deepEqual(await read(), [1, 1, 0], "moved for good");
    using end = new DisposableStack();
    let hints = 0;
    end.use(session.client.onChange([first], () => hints++));
    await read();
    await session.client.command(["RPUSH", first, "2"], soon(), first);
    await waitFor("the hint from the new node", () => hints > 0);
    end.dispose();
  });

  it("without one of its nodes: its keys are problems within the deadline, all others are read, and all again later", async () => {
    const lost = cluster.ownerOf(slotOf("queue:0"));
    const isThere = keys.map((key) => cluster.ownerOf(slotOf(key)) !== lost);
    lost.stopProcess();
    // Answers, and no rejection: its deadline is shorter than that of the reading.
    const frozen = await lengths(session.client, keys);
    assert.deepEqual(
      frozen,
      isThere.map((there) => (there ? 2 : "timeout")),
    );
    const took: number[] = [];
    for (let i = 0; i < 5; i++) {
      const again = performance.now();
      const seen = await lengths(session.client, keys);
      took.push(performance.now() - again);
      assert.equal(seen.filter((value) => value === 2).length, isThere.filter(Boolean).length);
    }
    assert.ok(Math.min(...took) < 1000, "once it is known, nobody waits for its deadline");
    lost.contProcess();
    await waitFor("the node to be read again", async () => (await lengths(session.client, keys)).every((value) => value === 2));

    await lost.kill9();
    await waitFor("its keys to be problems", async () => {
      const seen = await lengths(session.client, keys);
      assert.ok(
        seen.every((value, i) => (isThere[i] ? value === 2 : value === "unreachable" || value === "timeout")),
        String(seen),
      );
      return true;
    });
  });

  it("of which no node is left is lost", async () => {
    await Promise.all(cluster.servers.map((server) => server.kill9()));
    assert.equal((await session.lost).kind, "unreachable");
    assert.equal((await lengths(session.client, ["queue:0"]))[0], "unreachable");
  });
});
