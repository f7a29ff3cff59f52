import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseObject } from "../../src/api/object.ts";
import type { ScaledWorker } from "../../src/api/resolve.ts";
import { type Autoscaler, slimAutoscaler } from "../../src/cluster/autoscalers.ts";
import { createClaims } from "../../src/cluster/claims.ts";
import type { WatchList } from "../../src/kube/watch-list.ts";
import { api, jobWorker, worker } from "../api/objects.ts";

type Listener = Parameters<WatchList<Autoscaler>["onChange"]>[0];

function rig(there: readonly Autoscaler[] = []) {
  let tell: Listener = () => {};
  const turned: string[][] = [];
  const autoscalers = {
    entries: () => there.map((one): [string, Autoscaler] => [one.name, one]).values(),
    onChange: (listener: Listener) => {
      tell = listener;
      return () => {};
    },
  } as Pick<WatchList<Autoscaler>, "entries" | "onChange">;
  const claims = createClaims(autoscalers, (keys) => void turned.push([...keys]));
  return { claims, turned, tell: (now?: Autoscaler, was?: Autoscaler) => tell("any", now, was) };
}

function declared(name: string, target: object = { kind: "Deployment", name: "mails" }, mode = "Scale"): ScaledWorker {
  const object = worker(name);
  Object.assign(object.spec, { target, mode });
  return parseObject({ ...object, metadata: { name, namespace: "shop" } }, api).worker ?? assert.fail();
}

const scaling = (apiVersion: string, name = "mails"): Autoscaler =>
  slimAutoscaler({
    metadata: { name: "old", namespace: "shop", uid: "u", resourceVersion: "1" },
    spec: { scaleTargetRef: { apiVersion, kind: "Deployment", name } },
  });

describe("a target", () => {
  it("is the first one's who claims it, and the next one's when that leaves it", () => {
    const { claims, turned } = rig();
    assert.equal(claims.take(declared("a")), undefined);
    assert.equal(claims.take(declared("a")), undefined, "it has it already");
    assert.equal(
      claims.take(declared("b", { apiVersion: "apps/v2", kind: "Deployment", name: "mails" })),
      "another ScaledWorker: 'a' has it",
    );
    assert.equal(claims.has("shop/b"), false);
    claims.leave("shop/a");
    assert.deepEqual(turned, [["shop/b"]]);
    assert.equal(claims.take(declared("b")), undefined);
  });

  it("that another one has is not taken by an edit: the former one is kept", () => {
    const { claims } = rig();
    claims.take(declared("a"));
    claims.take(declared("b", { kind: "Deployment", name: "other" }));
    assert.match(claims.take(declared("b")) ?? "", /'a' has it/);
    assert.equal(claims.has("shop/b"), true);
  });

  it("of an autoscaler is nobody's else, whatever version it names, but may be observed", () => {
    const { claims } = rig([scaling("apps/v1beta1")]);
    assert.match(
      claims.take(declared("a")) ?? "",
      /^a HorizontalPodAutoscaler: 'old' scales it too; delete that, or set `spec.mode: Observe`$/,
    );
    assert.equal(claims.take(declared("b", undefined, "Observe")), undefined);
    assert.equal(claims.take(declared("c", { kind: "Deployment", name: "other" })), undefined);
    assert.equal(
      claims.take(parseObject({ ...jobWorker(), metadata: { name: "d", namespace: "shop" } }, api).worker ?? assert.fail()),
      undefined,
    );
  });

  it("is lost to an autoscaler that comes, and free again when that goes or turns to another one", () => {
    const { claims, turned, tell } = rig();
    claims.take(declared("a"));
    const old = scaling("apps/v1");
    tell(old);
    assert.deepEqual(turned.splice(0), [["shop/a"]]);
    assert.match(claims.take(declared("a")) ?? "", /HorizontalPodAutoscaler/);
    assert.equal(claims.has("shop/a"), false);
    tell(old, old);
    assert.deepEqual(turned, [], "its status moves all the time");
    tell(scaling("apps/v1", "other"), old);
    assert.deepEqual(turned.splice(0), [["shop/a"]]);
    assert.equal(claims.take(declared("a")), undefined);
    tell(undefined, scaling("apps/v1", "other"));
    assert.deepEqual(turned, []);
  });
});
