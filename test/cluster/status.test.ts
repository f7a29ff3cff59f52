import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { scaledWorkerStatus } from "../../src/api/status.ts";
import type { Stored } from "../../src/cluster/declared.ts";
import { meaningOf, refusedWorker, statusOf } from "../../src/cluster/status.ts";
import { forgetShown } from "../../src/cluster/watches.ts";
import { conditionsOf, workerOf } from "../web/synthetic.ts";

const now = Date.parse("2026-12-24T18:00:00Z");
const statusAt = (over: Parameters<typeof workerOf>[1] = {}, published?: Parameters<typeof statusOf>[2], at = now) =>
  statusOf(workerOf(at, over), { name: "mails" }, published);
const of = (status: ReturnType<typeof statusOf>, type: string) => status.conditions?.find((each) => each.type === type);

it("of what has gone, was made anew, or is shown, is kept no longer", () => {
  type Listener = Parameters<Parameters<typeof forgetShown>[0]["onChange"]>[0];
  const forgotten: string[] = [];
  const seen: string[] = [];
  let tell: Listener = () => {};
  const onChange = (listener: Listener) => {
    tell = listener;
    return () => {};
  };
  forgetShown({ onChange }, { forget: (uid) => void forgotten.push(uid), seen: (uid) => void seen.push(uid) });
  const object = (uid: string) => ({ parsed: { uid } }) as Stored<object>;
  tell("shop/mails", object("1"), undefined);
  tell("shop/mails", object("1"), object("1"));
  assert.deepEqual(forgotten, []);
  tell("shop/mails", object("2"), object("1"));
  tell("shop/mails", undefined, object("2"));
  assert.deepEqual(forgotten, ["1", "2"]);
  assert.deepEqual(seen, ["1", "1", "2"]);
});

describe("status", () => {
  it("has the shape that the CRD declares", () => {
    const status = statusAt();
    assert.deepEqual(scaledWorkerStatus.parse(status), status);
    const { replicas, desired, reason, target, observedGeneration, lastScaleTime } = status;
    assert.deepEqual(
      { replicas, desired, reason, target, observedGeneration, lastScaleTime },
      {
        replicas: 9,
        desired: 9,
        reason: "WorkWaiting",
        target: "mails",
        observedGeneration: 3,
        lastScaleTime: "2026-12-24T17:59:48.000Z",
      },
    );
    assert.equal(status.lastDecision?.message, "430 jobs wait in mails and 50 a worker ask for 9");
  });

  it("is the same while only the backlog moves", () => {
    const later = statusAt({ decision: { ...workerOf(now).decision, summary: "500 wait" } as never }, statusAt(), now + 60_000);
    assert.ok(isDeepStrictEqual(meaningOf(statusAt()), meaningOf({ ...later, lastScaleTime: statusAt().lastScaleTime ?? "" })));
  });

  it("moves the time of a condition only when its status flips", () => {
    const first = statusAt();
    const worded = conditionsOf(now + 5_000, { Ready: { message: "still", since: new Date(now + 5_000).toISOString() } });
    assert.equal(
      of(statusAt({ conditions: worded }, first), "Ready")?.lastTransitionTime,
      of(first, "Ready")?.lastTransitionTime,
    );
    const since = new Date(now + 7_000).toISOString();
    const failing = conditionsOf(now, { Ready: { status: "False", reason: "QueueUnreachable", message: "gone", since } });
    assert.equal(of(statusAt({ conditions: failing }, first), "Ready")?.lastTransitionTime, since);
  });

  it("names no address of a broker: who reads it may not be let to read the Secret that this stands in", () => {
    const problems = [
      "connect ECONNREFUSED 10.0.0.7:6379",
      "getaddrinfo ENOTFOUND redis.secret.example",
      "getaddrinfo EAI_AGAIN redis",
    ];
    for (const message of problems) {
      const [trigger] = workerOf(now).triggers;
      assert.ok(trigger);
      const problem = { kind: "unreachable", message, since: new Date(now).toISOString(), count: 3 } as const;
      const conditions = conditionsOf(now, {
        Ready: { status: "False", reason: "QueueUnreachable", message: `trigger mails: ${message}` },
      });
      const status = statusAt({ triggers: [{ ...trigger, state: "stale", problem }], conditions });
      const [what, code, where = ""] = message.split(" ");
      assert.equal(of(status, "Ready")?.message, `trigger mails: ${what} ${code}`);
      assert.equal(status.triggers?.[0]?.message, `${what} ${code}`);
      assert.ok(!JSON.stringify(status).includes(where));
    }
  });

  it("says Stalled only where a user must act, and Reconciling only until the newest generation is decided on", () => {
    assert.equal(of(statusAt(), "Stalled"), undefined);
    assert.equal(of(statusAt(), "Reconciling"), undefined);
    const failing = (reason: "QueueUnreachable" | "SecretNotFound") =>
      statusAt({ conditions: conditionsOf(now, { Ready: { status: "False", reason } }) });
    assert.equal(of(failing("QueueUnreachable"), "Stalled"), undefined);
    assert.deepEqual(
      [of(failing("SecretNotFound"), "Stalled")?.status, failing("SecretNotFound").reason],
      ["True", "SecretNotFound"],
    );
    const { decision: _, ...young } = workerOf(now);
    assert.equal(of(statusOf(young, { name: "mails" }), "Reconciling")?.status, "True");
  });

  it("every condition and the whole carry the generation that they speak of", () => {
    const status = statusAt({ generation: 8 });
    assert.equal(status.observedGeneration, 8);
    assert.deepEqual(new Set(status.conditions?.map((each) => each.observedGeneration)), new Set([8]));
  });

  it("tells of a refused spec, beside how the one in force stands", () => {
    const refused = { generation: 4, reason: "InvalidSpec", message: "`spec.replicas.min` must not be above `max`" } as const;
    const alone = statusOf(refusedWorker(undefined, refused, new Date(now).toISOString()), { name: "mails" });
    assert.deepEqual(
      [alone.observedGeneration, alone.reason, of(alone, "Ready")?.message, of(alone, "Stalled")?.status],
      [4, "InvalidSpec", refused.message, "True"],
    );
    assert.equal(of(alone, "Active")?.status, "Unknown");
    assert.deepEqual(scaledWorkerStatus.parse(alone), alone);
    const beside = statusOf(refusedWorker(workerOf(now), refused, new Date(now).toISOString()), { name: "mails" });
    assert.deepEqual([beside.replicas, of(beside, "Active")?.status, of(beside, "Ready")?.status], [9, "True", "False"]);
  });
});
