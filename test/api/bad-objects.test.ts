import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { parseObject } from "../../src/api/object.ts";
import { rules } from "../../src/api/rules.ts";
import { badObjects } from "./bad-objects.ts";
import { api, clusterConnection, connection, jobWorker, worker } from "./objects.ts";

const server = {
  uid: "u-1",
  generation: 7,
  resourceVersion: "42",
  creationTimestamp: "2026-01-01T00:00:00Z",
  managedFields: [{}],
};

describe("an object of the API server", () => {
  for (const { title, rule, object } of badObjects) {
    it(`with ${title} is told so, and not taken`, () => {
      const { findings, worker: taken, connection } = parseObject(object, api);
      assert.deepEqual(
        findings.map((finding) => finding.rule),
        [rule],
        JSON.stringify(findings),
      );
      assert.ok(taken === undefined && connection === undefined);
    });
  }

  it("has its identity and generation, and what the server adds is left aside", () => {
    const object = { ...worker(), status: { replicas: 3 } };
    object.metadata = { ...object.metadata, ...server, namespace: "shop", finalizers: ["worktide.dev/restore"] };
    const { findings, worker: taken, ...rest } = parseObject(object, api);
    assert.deepEqual(findings, []);
    assert.deepEqual(rest, {
      kind: "ScaledWorker",
      namespace: "shop",
      name: "mails",
      uid: "u-1",
      generation: 7,
      deleting: false,
      finalizers: ["worktide.dev/restore"],
    });
    assert.deepEqual([taken?.key, taken?.uid, taken?.generation, taken?.rules.generation], ["shop/mails", "u-1", 7, 7]);
    assert.deepEqual(taken?.target, { kind: "scale", ref: { apiVersion: "apps/v1", kind: "Deployment", name: "mails" } });
  });

  it("may ask for Jobs, with every default applied", () => {
    const target = parseObject(jobWorker(), api).worker?.target;
    assert.ok(target?.kind === "job");
    const { template, templateDigest, ...rest } = target;
    assert.equal(template.spec["ttlSecondsAfterFinished"], 60);
    assert.equal(templateDigest.length, 16);
    assert.deepEqual(rest, {
      kind: "job",
      takes: "One",
      onTemplateChange: "Keep",
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 3,
      backoff: { afterFailures: 3, initialMs: 10_000, maxMs: 300_000 },
    });
  });

  it("may be a connection, which takes Secrets from one namespace only", () => {
    const own = connection();
    own.metadata.namespace = "shop";
    assert.deepEqual(pick(parseObject(own, api).connection), ["shop/main", "shop", undefined]);
    assert.deepEqual(pick(parseObject(clusterConnection(), api).connection), ["shared", "infra", ["shop", "team-*"]]);
  });

  it("is never the reason for an exception, whatever it is", () => {
    for (const object of [
      undefined,
      null,
      3,
      "x",
      [],
      {},
      { kind: "Pod" },
      { ...worker(), metadata: null },
      { ...worker(), spec: 1 },
    ]) {
      assert.notDeepEqual(parseObject(object, api).findings, []);
    }
  });

  it("breaks rules that the reference knows, and each rule for objects is broken here or by the webhook's tests", () => {
    const broken = new Set<string>(badObjects.map(({ rule }) => rule));
    const elsewhere = ["unknown-kind", "unknown-api-version"];
    const left = Object.entries(rules).filter(([id, { held }]) => !["file", "webhook"].includes(held) && !broken.has(id));
    assert.deepEqual(
      left.map(([id]) => id).filter((id) => !elsewhere.includes(id)),
      [],
    );
    for (const { rule, refusal, title } of badObjects) {
      assert.equal(refusal === undefined, rules[rule].held === "webhook", title);
    }
  });
});

describe("the list of rules", () => {
  it("has every rule that the code names", () => {
    const root = path.join(import.meta.dirname, "..", "..");
    const files = globSync(["src/{api,brokers}/**/*.ts", "scalers/**/*.ts"], { cwd: root });
    const named = files.flatMap((file) =>
      [
        ...readFileSync(path.join(root, file), "utf8").matchAll(
          /(?:rule: |complain\(context, |wrong\(|whole\()"([a-z]+(?:-[a-z]+)*)"/g,
        ),
      ].map(([, id = ""]) => id),
    );
    assert.ok(named.length > 40, String(named.length));
    assert.deepEqual(
      [...new Set(named)].filter((id) => !Object.hasOwn(rules, id)),
      [],
    );
  });
});

const pick = (found: ReturnType<typeof parseObject>["connection"]) => [found?.key, found?.namespace, found?.namespaces];
