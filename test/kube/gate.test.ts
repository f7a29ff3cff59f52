import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createGate } from "../../src/kube/gate.ts";
import { waitFor } from "../support/wait.ts";

const never = new AbortController().signal;

describe("the gate before a server that cannot be reached", () => {
  it("lets one request try at a time, and all of them once it answers", async () => {
    const gate = createGate(() => performance.now());
    const before = await Promise.all([gate.pass(never), gate.pass(never)]);
    gate.missed();
    gate.missed();
    for (const leave of before) leave();
    const passed: (() => void)[] = [];
    const asked = Array.from({ length: 20 }, () => gate.pass(never).then((leave) => passed.push(leave)));
    await waitFor("one to pass", () => passed.length === 1);
    passed[0]?.(); // it was given up: neither good nor bad
    await waitFor("the next one", () => passed.length === 2);
    gate.missed();
    passed[1]?.();
    await waitFor("the third one, later", () => passed.length === 3);
    gate.reached();
    await Promise.all(asked);
  });

  it("lets go who gives up waiting", async () => {
    const gate = createGate(() => 0);
    gate.missed();
    const leaving = new AbortController();
    const left = gate.pass(leaving.signal);
    leaving.abort(new Error("left"));
    await assert.rejects(left, /left/);
  });
});
