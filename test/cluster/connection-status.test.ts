import assert from "node:assert/strict";
import { it } from "node:test";
import { connectionStatus } from "./connections.ts";

it("a trigger that cannot use its connection does not stand for how that connection is doing", (t) => {
  const message = "shop/main leads to `redis`, and `rabbitmq` reads from `amqp`";
  const problem = { kind: "connection", message, since: 0 } as const;
  const [ready] = connectionStatus(t, [{ up: true }, { up: false, problem }]).conditions ?? [];
  assert.deepEqual([ready?.status, ready?.reason], ["True", "Connected"]);
});

it("its address is told to nobody: it may stand in a Secret", (t) => {
  const problem = { kind: "unreachable", message: "connect ECONNREFUSED 10.0.0.7:6379", since: -60_000 } as const;
  const [ready] = connectionStatus(t, [{ up: false, problem }]).conditions ?? [];
  assert.deepEqual([ready?.reason, ready?.message], ["QueueUnreachable", "connect ECONNREFUSED"]);
});
