import { test } from "node:test";
import { pool } from "./support/pools.ts";
import { setStage } from "./support/stage.ts";

test("a quiet run goes from zero to the size of the backlog and back, and breaks no invariant", async () => {
  await using stage = await setStage({
    pools: [pool("mails"), pool("calm", { kind: "list", connection: "steady", waitingPerReplica: 10 })],
  });
  await stage.settles("calm", 1);
  await stage.occupied("mails", 6, 500);
  await stage.drained();
  await stage.settles("mails", 0);
  await stage.judge();
});
