import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { stringify } from "yaml";
import type { Place } from "../../src/api/fields.ts";
import { parseDocuments } from "../../src/api/parse.ts";
import { mayUse } from "../../src/api/resolve.ts";
import { keyReferences } from "../../src/api/secrets.ts";
import { api, clusterConnection, connection, type Draft, jobWorker, rabbitConnection, worker } from "./objects.ts";

const parse = (documents: readonly Draft[], place?: Place) =>
  parseDocuments(documents.map((one) => stringify(one, { aliasDuplicateObjects: false })).join("---\n"), {
    file: "k.yaml",
    api,
    ...(place && { place }),
  });

const told = (documents: readonly Draft[], place?: Place) =>
  parse(documents, place).findings.map(({ severity, rule, message }) => `${severity} ${rule}: ${message}`);

const local = () => {
  const draft = worker();
  draft.spec.target = { process: { command: ["node", "worker.js"] } };
  return draft;
};
const onShared = (name = "mails") => {
  const draft = worker(name);
  draft.metadata.namespace = "shop";
  delete draft.spec.triggers[0].connection;
  draft.spec.triggers[0].clusterConnection = "shared";
  return draft;
};
const deployment = (spec: object = {}) => ({ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "mails" }, spec });

describe("a file for a cluster", () => {
  it("is known by its targets, and may hold objects of others", () => {
    const { workers, connections, findings } = parse([connection(), worker(), jobWorker("jobs"), deployment()]);
    assert.deepEqual(
      findings.filter(({ severity }) => severity === "error"),
      [],
    );
    assert.deepEqual([workers.map(({ target }) => target.kind), connections.length], [["scale", "job"], 1]);
  });

  it("may hold connections only", () => {
    assert.deepEqual(told([connection()]), []);
    assert.deepEqual(told([clusterConnection()]), []);
  });

  it("does not do for one machine, and says what would", () => {
    assert.deepEqual(told([connection(), worker()], "local"), [
      "error cluster-only: `spec.redis.passwordFrom.secretKeyRef` must not be used outside a cluster: use `env` or `file`",
      "error cluster-only: `spec.redis.tls.caFrom` must not be used outside a cluster: use `caFile`",
      "error cluster-only: `spec.target.kind` must not be used outside a cluster: use `process`",
    ]);
    assert.match(told([deployment(), local()], "local")[0] ?? "", /^error unknown-kind: `kind` must be one of/);
  });

  it("may not name what is on one machine only", () => {
    const named = connection();
    named.spec.redis.passwordFrom = { env: "TOKEN" };
    assert.deepEqual(told([named, worker()]), [
      "error local-only: `spec.redis.passwordFrom.env` must not be used in a cluster: use `secretKeyRef`",
    ]);
    assert.deepEqual(told([local()], "cluster").slice(0, 1), [
      "error local-only: `spec.target.process` must not be used in a cluster: use `kind` and `name`, or `job`",
    ]);
  });

  it("may refer to what is in the cluster already", () => {
    assert.deepEqual(told([worker()]), [
      "warning unknown-connection: `spec.triggers[0].connection` must name a QueueConnection in namespace 'default': there is none; found 'main'",
    ]);
    assert.equal(parse([worker()]).workers.length, 1);
  });

  it("may not refer to what is there and does not fit", () => {
    const elsewhere = onShared();
    elsewhere.metadata.namespace = "other";
    assert.deepEqual(told([clusterConnection(), onShared()]), []);
    assert.match(
      told([clusterConnection(), elsewhere])[0] ?? "",
      /^error connection-namespace: .* `spec.namespaces` of 'shared' does not$/,
    );
    assert.match(
      told([rabbitConnection(), worker()])[0] ?? "",
      /^error connection-type: .* with `redis`; 'main' has `rabbitmq`$/,
    );
  });

  it("has one ScaledWorker for one target", () => {
    const [first, second] = [onShared("a"), onShared("b")];
    second.spec.triggers[0].bullmq.queue = "other";
    second.spec.target = { apiVersion: "apps/v1beta9", kind: "Deployment", name: "a" };
    assert.deepEqual(told([clusterConnection(), first, second]), [
      "error shared-target: `spec.target` must not be the target of another ScaledWorker: ScaledWorker shop/a scales Deployment 'a' too",
    ]);
    second.metadata.namespace = "team-b";
    assert.deepEqual(told([clusterConnection(), first, second]), []);
  });

  it("has no HPA on its target", () => {
    const hpa = (kind: string) => ({
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: { name: "old" },
      spec: { scaleTargetRef: { apiVersion: "apps/v1", kind, name: "mails" }, maxReplicas: 3 },
    });
    assert.deepEqual(told([connection(), worker(), hpa("Deployment")]), [
      "error target-autoscaled: `spec.target` must not be the target of a HorizontalPodAutoscaler too: leave 'old' out",
    ]);
    assert.deepEqual(told([connection(), worker(), hpa("StatefulSet")]), []);
  });

  it("is warned of a size that would be set back with every apply", () => {
    assert.deepEqual(told([connection(), worker(), deployment({ replicas: 3 })]), [
      "warning pinned-replicas: `spec.target` must have its size from one place: Deployment 'mails' has `spec.replicas` in these files, " +
        "which sets it back to 3 with every apply; leave it out there",
    ]);
    assert.deepEqual(told([connection(), worker(), { ...deployment({ replicas: 3 }), metadata: { name: "other" } }]), []);
  });
});

describe("a connection", () => {
  const only = (document: Draft) => parse([document, worker()]).connections[0] ?? assert.fail();

  it("serves its namespace, or the ones that it names", () => {
    const own = only(connection());
    assert.deepEqual(
      ["default", "shop"].map((name) => mayUse(own, name)),
      [true, false],
    );
    const shared = only(clusterConnection());
    const names = ["shop", "shops", "team-", "team-a", "tea", "infra"];
    assert.deepEqual(
      names.map((name) => mayUse(shared, name)),
      [true, false, true, true, false, false],
    );
    const all = clusterConnection();
    all.spec.namespaces = ["*"];
    assert.ok(mayUse(only(all), "anything"));
  });

  it("says which Secrets and ConfigMaps it needs, all in one namespace", () => {
    const { settings, namespace } = only(connection());
    assert.deepEqual(keyReferences(settings, namespace), [
      { kind: "Secret", namespace: "default", name: "redis.shop", key: "password" },
      { kind: "ConfigMap", namespace: "default", name: "redis-ca", key: "ca.crt" },
    ]);
    assert.deepEqual(keyReferences(only(clusterConnection()).settings, "infra"), []);
  });
});
