import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { redisCommand, startSentinel, type TestSentinel } from "../support/redis-topologies.ts";
import { problemOf } from "../support/scaler-lab.ts";
import { waitFor } from "../support/wait.ts";
import { lengths, oneAnswer, open } from "./support.ts";

describe("Redis behind Sentinel", () => {
  let sentinel: TestSentinel;
  before(async () => {
    sentinel = await startSentinel();
  });
  after(() => sentinel[Symbol.asyncDispose]());
  const dial = (nodes: readonly string[] = sentinel.nodes, master = "main") =>
    open({ sentinel: { master, nodes: [...nodes], database: 0 } });

  it("is read at the primary, though one Sentinel is gone and one was never there", async () => {
    await redisCommand(sentinel.primary.port, "RPUSH", "q", "1", "2");
    await using session = await dial(["127.0.0.1:1", ...sentinel.nodes]);
    assert.deepEqual(await lengths(session.client, ["q"]), [2]);
  });

  it("is missing where Sentinel knows no such name, and unreachable where none answers", async () => {
    assert.equal((await problemOf(dial(sentinel.nodes, "other"))).kind, "missing");
    assert.equal((await problemOf(dial(["127.0.0.1:1"]))).kind, "unreachable");
  });

  it("gives up a primary that was demoted, and finds the new one, of another epoch", async () => {
    const session = await dial();
    const before = await oneAnswer(session.client, "q");
    await redisCommand(portOf(sentinel.nodes[0]), "SENTINEL", "FAILOVER", "main");
    await waitFor("the old primary to be given up", async () => {
      const seen = await lengths(session.client, ["q"]).catch(() => ["lost"]);
      assert.ok([2, "replica", "lost"].includes(seen[0] as string), `never a false zero: ${seen}`);
      return seen[0] !== 2;
    });
    await session.lost;
    await waitFor("the new primary", async () => {
      const again = await dial().catch(() => undefined); // none calls itself the primary in between
      if (!again) return false;
      const answer = await oneAnswer(again.client, "q");
      again.destroy();
      if (!("value" in answer)) return false;
      assert.equal(answer.value, 2);
      return "value" in before && answer.epoch !== before.epoch;
    });
  });

  it("finds the other one when the primary is frozen", async () => {
    await using other = await startSentinel();
    const dial = () => open({ sentinel: { master: "main", nodes: [...other.nodes], database: 0 } });
    await redisCommand(other.primary.port, "RPUSH", "q", "1", "2");
    await redisCommand(other.primary.port, "WAIT", "1", "2000");
    await using session = await dial();
    other.primary.stopProcess();
    try {
      assert.ok(["timeout", "replica"].includes((await session.lost).kind), "silent, or Sentinel says so first");
      await waitFor("the new primary", async () => {
        const again = await dial().catch(() => undefined);
        if (!again) return false;
        const seen = await lengths(again.client, ["q"]);
        again.destroy();
        return seen[0] === 2;
      });
    } finally {
      other.primary.contProcess();
    }
  });
});

const portOf = (node = ""): number => Number(node.split(":")[1]);
