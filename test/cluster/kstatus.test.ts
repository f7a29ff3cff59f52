import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { QueueConnectionStatus, ScaledWorkerStatus } from "../../src/api/status.ts";
import { refusedWorker, statusOf } from "../../src/cluster/status.ts";
import type { Condition } from "../../src/control/conditions.ts";
import { conditionsOf, workerOf } from "../web/synthetic.ts";
import { connectionStatus } from "./connections.ts";

/** As kstatus judges kinds that it does not know (cli-utils, pkg/kstatus/status): what Flux and kpt wait for. */
function kstatus(
  generation: number,
  { observedGeneration, conditions = [] }: ScaledWorkerStatus | QueueConnectionStatus,
): "Current" | "InProgress" | "Failed" {
  const is = (wanted: string) => conditions.find(({ type }) => type === wanted)?.status;
  if (observedGeneration !== undefined && observedGeneration !== generation) return "InProgress";
  if (is("Reconciling") === "True") return "InProgress";
  if (is("Stalled") === "True") return "Failed";
  const ready = is("Ready");
  return ready === undefined || ready === "True" ? "Current" : "InProgress";
}

const now = Date.parse("2026-12-24T18:00:00Z");
const seen = (over: Readonly<Record<string, Partial<Condition>>> = {}) => workerOf(now, { conditions: conditionsOf(now, over) });
const { decision: _, ...young } = seen({ Ready: { status: "Unknown", reason: "Starting" } });
const refused = { generation: 4, reason: "InvalidSpec", message: "`spec.replicas.min` must not be above `max`" } as const;

describe("kstatus takes a ScaledWorker", () => {
  for (const [what, worker, generation, status] of [
    ["that works for Current", seen(), 3, "Current"],
    ["at zero, paused, for Current", seen({ Paused: { status: "True", reason: "PausedBySpec" } }), 3, "Current"],
    ["of an older generation for InProgress", seen(), 4, "InProgress"],
    ["of which nothing is decided yet for InProgress", young, 3, "InProgress"],
    ["whose queue is away for InProgress", seen({ Ready: { status: "False", reason: "QueueUnreachable" } }), 3, "InProgress"],
    ["without its Secret for Failed", seen({ Ready: { status: "False", reason: "SecretNotFound" } }), 3, "Failed"],
    ["without its target for Failed", seen({ Ready: { status: "False", reason: "TargetNotFound" } }), 3, "Failed"],
    ["whose newest spec is refused for Failed", refusedWorker(seen(), refused, new Date(now).toISOString()), 4, "Failed"],
  ] as const) {
    it(what, () => assert.equal(kstatus(generation, statusOf(worker, { name: "mails" })), status));
  }
});

describe("kstatus takes a QueueConnection", () => {
  const problem = (kind: "unreachable" | "secret" | "auth", since: number) => ({ kind, message: "it is so", since });
  const minute = 60_000;
  for (const [what, state, status] of [
    ["that is up for Current", { up: true }, "Current"],
    ["that nobody uses for Current: what comes after it in Git would wait for ever", undefined, "Current"],
    ["that is dialled for InProgress", { up: false }, "InProgress"],
    ["that is away for InProgress", { up: false, problem: problem("unreachable", -minute) }, "InProgress"],
    ["without its Secret for Failed", { up: false, problem: problem("secret", 0) }, "Failed"],
    ["whose password is refused for Failed", { up: false, problem: problem("auth", -minute) }, "Failed"],
  ] as const) {
    it(what, (t) => assert.equal(kstatus(1, connectionStatus(t, state === undefined ? [] : [state])), status));
  }
});
