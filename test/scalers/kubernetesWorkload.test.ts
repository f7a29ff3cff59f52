import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { kubernetesWorkload } from "../../scalers/kubernetesWorkload.ts";
import { findingText } from "../../src/api/finding.ts";
import { parseDocuments } from "../../src/api/parse.ts";
import { podsBroker } from "../../src/brokers/pods.ts";
import { watchedPodsBroker } from "../../src/cluster/pods-broker.ts";
import type { AnyScaler, Observation } from "../../src/core/contract.ts";
import { readingText } from "../../src/core/words.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createObserver } from "../../src/observe/create-observer.ts";
import { createTargetWatches } from "../../src/targets/watches.ts";
import { api } from "../api/objects.ts";
import { clientOf, clientThrough, planeForSuite } from "../kube/support.ts";
import { startProxy } from "../support/proxy.ts";
import { createUser, namespace } from "../support/shared-control-plane.ts";
import { waitFor } from "../support/wait.ts";

const { skip, plane, kube } = await planeForSuite();
const scaler: AnyScaler = kubernetesWorkload;
const clock = () => performance.now();
const web = { matchLabels: { app: "web" } };

/** Pods without a node: they are there, and Pending, until a test says otherwise. */
const podOf = (name: string, labels: object) => ({
  metadata: { name, labels },
  spec: { containers: [{ name: "main", image: "none" }], terminationGracePeriodSeconds: 0 },
});

/** What is known of one query, kept up by wake-ups alone: the interval is an hour. */
function watching(kube: KubeClient, room: string, query: object) {
  const watches = createTargetWatches({ kube, clock, namespaces: [room] });
  const broker = watchedPodsBroker(watches.pods, clock);
  const observer = createObserver({ brokers: new Map([["pods", broker]]), clock, random: Math.random });
  let seen: Observation = {};
  const connection = { name: "pods", type: "pods", key: room, settings: async () => ({ namespace: room }) };
  const watch = observer.watch({ scaler, query: scaler.query.parse(query), connection, intervalMs: 3_600_000 }, (news) => {
    seen = news.observation;
  });
  return {
    refresh: () => watch.refresh(),
    seen: () => seen,
    wants: (count: number) => waitFor(`${count} wanted`, () => seen.failure === undefined && seen.reading?.wants === count),
    async [Symbol.asyncDispose]() {
      await observer[Symbol.asyncDispose]();
      await watches[Symbol.asyncDispose]();
    },
  };
}

describe("pods by a label selector", { skip }, () => {
  it("ask for replicas as they come, get ready, end and go, in their namespace alone", async () => {
    await using room = await namespace(plane);
    await using other = await namespace(plane);
    const pods = `/api/v1/namespaces/${room.name}/pods`;
    await plane.request("POST", `/api/v1/namespaces/${other.name}/pods`, podOf("elsewhere", web.matchLabels));
    await using all = watching(kube, room.name, { selector: web, podsPerReplica: 2 });
    await using ready = watching(kube, room.name, { selector: web, podsPerReplica: 0.5, count: "Ready" });
    await all.wants(0);
    for (const name of ["a", "b", "c"]) await plane.request("POST", pods, podOf(name, web.matchLabels));
    await plane.request("POST", pods, podOf("db", { app: "db" }));
    await all.wants(2);
    assert.equal(readingText(all.seen().reading ?? assert.fail()), "asks for 2 (3 pods, 2 for each)");
    await ready.wants(0);
    const status = (name: string, body: object) => plane.request("PATCH", `${pods}/${name}/status`, { status: body });
    await status("a", { phase: "Running", conditions: [{ type: "Ready", status: "True" }] });
    await ready.wants(2);
    assert.equal(readingText(ready.seen().reading ?? assert.fail()), "asks for 2 (1 ready pod, 0.5 for each)");
    await status("b", { phase: "Succeeded" });
    await all.wants(1);
    await plane.request("DELETE", `${pods}/a`);
    await plane.request("DELETE", `${pods}/c`);
    await all.wants(0);
    await ready.wants(0);
  });

  it("are selected by conditions too", async () => {
    await using room = await namespace(plane);
    const pods = `/api/v1/namespaces/${room.name}/pods`;
    await plane.request("POST", pods, podOf("a", { tier: "web" }));
    await plane.request("POST", pods, podOf("b", { tier: "api", canary: "yes" }));
    await plane.request("POST", pods, podOf("c", { tier: "db" }));
    const matchExpressions = [
      { key: "tier", operator: "In", values: ["web", "api"] },
      { key: "canary", operator: "DoesNotExist" },
    ];
    await using some = watching(kube, room.name, { selector: { matchExpressions }, podsPerReplica: 1 });
    await some.wants(1);
  });

  it("of a server that is gone are not known, and none of them is taken for gone; until it is back", async () => {
    await using room = await namespace(plane);
    await plane.request("POST", `/api/v1/namespaces/${room.name}/pods`, podOf("a", web.matchLabels));
    await using proxy = await startProxy(() => Number(new URL(plane.url).port));
    await using through = await clientThrough(plane, proxy.port);
    await using all = watching(through, room.name, { selector: web, podsPerReplica: 1 });
    await all.wants(1);
    await proxy.set({ kind: "reset" });
    proxy.cut();
    await waitFor("the failure", async () => (await all.refresh()).failure !== undefined);
    // A connection that was just being made when all were cut is not reset: nothing comes over it.
    assert.match(all.seen().failure?.problem.kind ?? "", /^(unreachable|timeout)$/);
    assert.equal(all.seen().reading?.wants, 1, "the last good reading");
    await proxy.set({ kind: "pass" });
    await waitFor("the pods", async () => (await all.refresh()).failure === undefined);
    assert.equal(all.seen().reading?.wants, 1);
  });

  it("that may not be listed are not known", async () => {
    await using room = await namespace(plane);
    await using user = await createUser(plane, { namespace: room.name, name: "blind", rules: [] });
    await using own = await clientOf(user.kubeconfig);
    await using blind = watching(own, room.name, { selector: web, podsPerReplica: 1 });
    const refused = async () => (await blind.refresh()).failure?.problem.kind === "auth";
    await waitFor("the refusal", refused);
    assert.equal(blind.seen().reading, undefined);
    assert.equal(blind.seen().failure?.problem.message, `the pods of ${room.name} may not be listed`);
  });
});

test("a thousand selectors are answered at once, each in its place and as old as what is watched, and none once it was aborted", async () => {
  const count = ({ matchLabels = {} }: { matchLabels?: Record<string, string> }) =>
    matchLabels["app"] === "7"
      ? { kind: "auth", message: "not these" }
      : { pods: Number(matchLabels["app"]), ready: 0, sampledAt: 5 };
  const client = { count, follow: () => undefined };
  const queries = Array.from({ length: 1000 }, (_, i) =>
    scaler.query.parse({ selector: { matchLabels: { app: String(i) } }, podsPerReplica: 1 }),
  );
  const results = await scaler.read(client, queries, AbortSignal.timeout(30_000));
  assert.deepEqual(
    results.map((result) => ("reading" in result ? [result.reading.wants, result.reading.sampledAt] : result.problem.kind)),
    queries.map((_, i) => (i === 7 ? "auth" : [i, 5])),
  );
  assert.deepEqual(await scaler.read(client, [], AbortSignal.timeout(30_000)), []);
  await assert.rejects(scaler.read(client, queries, AbortSignal.abort()));
});

describe("without a cluster", () => {
  const document = (target: string, query: string) => `apiVersion: worktide.dev/v1alpha1
kind: ScaledWorker
metadata: { name: mails }
spec:
  target: ${target}
  replicas: { max: 5 }
  scaleDown: { protect: grace }
  triggers:
    - name: web
      kubernetesWorkload: ${query}
`;
  const told = (text: string) =>
    parseDocuments(text, { file: "w.yaml", api }).findings.map(({ document: _, ...finding }) => findingText(finding));
  const query = "{ selector: { matchLabels: { app: web } }, podsPerReplica: 2 }";

  it("the trigger is refused, with the reason", async () => {
    const [finding] = told(document("{ process: { command: [sleep, '1'] } }", query));
    assert.equal(
      finding,
      "w.yaml:10:7: error: `spec.triggers[0].kubernetesWorkload` must not be used outside a cluster: there are no pods",
    );
    await assert.rejects(podsBroker().open({ namespace: "shop" }, AbortSignal.timeout(1000)), (error) => {
      assert.equal((error as Error).message, "pods are counted by `worktide controller` in a cluster only");
      return true;
    });
  });

  it("a document for a cluster is checked all the same", () => {
    const deployment = "{ kind: Deployment, name: mails }";
    assert.deepEqual(told(document(deployment, query)), []);
    assert.deepEqual(told(document(deployment, "{ selector: {}, podsPerReplica: 2 }")), [
      "w.yaml:10:39: error: `spec.triggers[0].kubernetesWorkload.selector` must have a label in `matchLabels`, or a condition in `matchExpressions`",
    ]);
  });
});
