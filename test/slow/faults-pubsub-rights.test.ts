import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { openStage } from "../faults/support/pubsub.ts";

/** Longer than a refused login waits for its next try, which is half a minute at least. */
const longMs = 90_000;
const lost = { 7: "PERMISSION_DENIED: a role was taken away", 16: "UNAUTHENTICATED: a role was taken away" } as const;

suite("Cloud Monitoring refuses", { concurrency: true }, () => {
  for (const [code, said] of Object.entries(lost)) {
    test(`${said.split(":")[0]} for a while: held, told once, and read again without anybody's help (row 16)`, async () => {
      await using stage = await openStage();
      const { monitoring, turns } = stage;
      const told = turns.length;
      monitoring.fail({ code: Number(code), details: "a role was taken away" });
      await stage.sees("auth");
      assert.ok(stage.problem()?.message.includes(said), stage.problem()?.message);
      await stage.outcomes(5);
      monitoring.fail(undefined);
      await stage.good(longMs);
      assert.deepEqual(turns.slice(told), ["auth", "up"]);
      stage.judge();
    });
  }
});
