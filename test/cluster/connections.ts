import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { scalers } from "../../scalers/index.ts";
import { defineApi } from "../../src/api/define.ts";
import { parseObject } from "../../src/api/object.ts";
import type { QueueConnectionStatus } from "../../src/api/status.ts";
import { brokers } from "../../src/brokers/brokers.ts";
import { publishConnections } from "../../src/cluster/connection-status.ts";
import type { Watches } from "../../src/cluster/declared.ts";
import type { ConnectionState } from "../../src/observe/observer.ts";

/** What is told of the QueueConnection shop/main, of generation 1, while these are its states; without any nobody uses it. */
export function connectionStatus(
  t: TestContext,
  states: readonly Pick<ConnectionState, "up" | "problem">[],
): QueueConnectionStatus {
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
  using _ = publishConnections({
    watches: { connections: { entries: () => [["shop/main", { parsed, status: {} }]] } } as unknown as Watches,
    writers: { QueueConnection: writer, ClusterQueueConnection: writer },
    states: () => states.map((state) => ({ type: "redis", triggers: 1, rounds: 1, name: "shop/main", ...state })),
    users: () => states.length,
    mayWrite: () => true,
    now: () => 0,
  });
  t.mock.timers.tick(2_000);
  const [status] = written;
  assert.ok(status !== undefined && written.length === 1);
  return status;
}
