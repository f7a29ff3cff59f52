import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Lane } from "../../src/kube/kube.ts";
import { createTurns } from "../../src/kube/turns.ts";
import { waitFor } from "../support/wait.ts";

const never = new AbortController().signal;

describe("turns", () => {
  it("go to what is most urgent first, and in order within one lane", async () => {
    const turns = createTurns(() => performance.now());
    const held = await Promise.all(Array.from({ length: 40 }, () => turns.take("raise", never)));
    const order: string[] = [];
    const ask = async (lane: Lane, name: string) => {
      const give = await turns.take(lane, never);
      order.push(name);
      give();
    };
    const asked = [
      ask("events", "e"),
      ask("status", "s"),
      ask("read", "r"),
      ask("lower", "l1"),
      ask("lower", "l2"),
      ask("raise", "up"),
    ];
    for (const give of held) give();
    await Promise.all(asked);
    assert.deepEqual(order, ["up", "l1", "l2", "r", "s", "e"]);
    assert.equal(turns.inFlight(), 0);
  });

  it("of the Lease are always free", async () => {
    const turns = createTurns(() => performance.now());
    await Promise.all(Array.from({ length: 40 }, () => turns.take("raise", never)));
    turns.hold("raise", 60_000);
    await turns.take("lease", never);
    assert.equal(turns.inFlight(), 41);
  });

  it("are left to others by who gives up waiting, and given back once only", async () => {
    const turns = createTurns(() => performance.now());
    const held = await Promise.all(Array.from({ length: 40 }, () => turns.take("raise", never)));
    const leaving = new AbortController();
    const left = turns.take("raise", leaving.signal);
    const staying = turns.take("raise", never);
    leaving.abort(new Error("left"));
    await assert.rejects(left, /left/);
    held[0]?.();
    held[0]?.();
    await staying;
    assert.equal(turns.inFlight(), 40);
  });

  it("are held for as long as the server wants, and given by themselves after it", async () => {
    let now = 0;
    const turns = createTurns(() => now);
    turns.hold("read", 50);
    let given = false;
    void turns.take("status", never).then(() => (given = true));
    await turns.take("lower", never);
    assert.equal(given, false);
    now = 51;
    await waitFor("the turn", () => given);
  });
});
