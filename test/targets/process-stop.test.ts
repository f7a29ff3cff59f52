import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createRig, type Rig, signal, until } from "./rig.ts";

const GRACE_MS = 300;

/** Two workers that ignore SIGTERM, told to stop. */
async function told(t: TestContext, protect: "busy" | "grace", holdsJob: (id: string) => boolean | undefined): Promise<Rig> {
  const rig = await createRig(t, { script: "stubborn.mjs", protect, holdsJob, spec: { stopGraceMs: GRACE_MS } });
  await rig.grow(2);
  await until("both ignore signals", () => rig.staying().every((id) => rig.logOf(id).includes("up")));
  await rig.target.apply({ from: 2, to: 0, remove: rig.staying(), decision: "test" }, signal);
  return rig;
}

describe("a worker that does not stop", () => {
  it("is killed after the grace when the pool protects by grace only", async (t) => {
    const { target, events } = await told(t, "grace", () => true);
    await until("both are gone", () => target.pool().leaving === 0);
    assert.equal(events("killed").length, 2);
    assert.deepEqual(
      events("exited").map(({ detail }) => detail),
      ["signal SIGKILL", "signal SIGKILL"],
    );
  });

  it("is killed after the grace when the broker shows that it has no job", async (t) => {
    const { target, events } = await told(t, "busy", () => false);
    assert.equal(events("killed").length, 0);
    await until("both are gone", () => target.pool().leaving === 0);
    assert.equal(events("killed").length, 2);
  });

  it("is let live while it has a job in hand, which is told as trouble, and killed once it has none", async (t) => {
    let busy = true;
    const { target, events, history } = await told(t, "busy", () => busy);
    await until("trouble is told", () => history.some((line) => line.kind === "trouble" && line.reason === "StopOverdue"));
    assert.equal(target.trouble()?.reason, "StopOverdue");
    assert.equal(target.trouble()?.message, "2 workers still have a job in hand 0.3 s after SIGTERM");
    await pause(1_200); // past another look
    assert.equal(target.pool().leaving, 2);
    assert.equal(events("killed").length, 0);
    busy = false;
    await until("both are gone", () => target.pool().leaving === 0);
    assert.equal(target.trouble(), undefined);
  });

  it("is let live while it is not known whether it has a job", async (t) => {
    const { target, events } = await told(t, "busy", () => undefined);
    await until("trouble is told", () => target.trouble() !== undefined);
    assert.match(target.trouble()?.message ?? "", /^of 2 workers not gone 0\.3 s after SIGTERM it is not known/);
    await pause(1_200);
    assert.equal(target.pool().leaving, 2);
    assert.equal(events("killed").length, 0);
    assert.equal(events("signalled").length, 2);
  });

  it("is killed with all of its group by killAll, whatever it holds", async (t) => {
    const { target, events } = await told(t, "busy", () => true);
    await target.killAll();
    assert.equal(events("exited").length, 2);
  });
});
