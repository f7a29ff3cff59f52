import assert from "node:assert/strict";
import { it } from "node:test";
import { scalers } from "../../scalers/index.ts";
import { defineApi } from "../../src/api/define.ts";
import { parseObject } from "../../src/api/object.ts";
import type { QueueConnectionStatus } from "../../src/api/status.ts";
import { brokers } from "../../src/brokers/brokers.ts";
import { publishConnections } from "../../src/cluster/connection-status.ts";
import type { Watches } from "../../src/cluster/declared.ts";

it("a trigger that cannot use its connection does not stand for how that connection is doing", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const object = {
    apiVersion: "worktide.dev/v1alpha1",
    kind: "QueueConnection",
    metadata: { name: "main", namespace: "shop", uid: "1", generation: 1, creationTimestamp: "2026-12-24T18:00:00Z" },
    spec: { redis: { url: "redis://redis:6379" } },
  };
  const parsed = parseObject(object, defineApi(scalers, brokers));
  const written: QueueConnectionStatus[] = [];
  const writer = { write: (_: object, status: object) => void written.push(status as QueueConnectionStatus) } as never;
  const counts = { type: "redis", triggers: 1, rounds: 1 };
  const problem = {
    kind: "connection",
    message: "shop/main leads to `redis`, and `rabbitmq` reads from `amqp`",
    since: 0,
  } as const;
  using _ = publishConnections({
    watches: { connections: { entries: () => [["shop/main", { parsed, status: {} }]] } } as unknown as Watches,
    writers: { QueueConnection: writer, ClusterQueueConnection: writer },
    states: () => [
      { ...counts, name: "shop/main", up: true },
      { ...counts, name: "shop/main", up: false, problem },
    ],
    users: () => 2,
    mayWrite: () => true,
    now: () => 0,
  });
  t.mock.timers.tick(2_000);
  const [ready] = written[0]?.conditions ?? [];
  assert.deepEqual([written.length, ready?.status, ready?.reason], [1, "True", "Connected"]);
});
