import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { crdPages } from "../../src/api/crd.ts";
import { established } from "../support/cluster/established.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { namespace, sharedControlPlane } from "../support/shared-control-plane.ts";
import { badObjects } from "./bad-objects.ts";
import { api, clusterConnection, connection, type Draft, jobWorker, rabbitConnection, worker } from "./objects.ts";

const skip = await noControlPlane();
const root = path.join(import.meta.dirname, "..", "..");

/** What kubectl printed when it refused. */
async function refusalOf(run: Promise<string>): Promise<string> {
  try {
    await run;
  } catch (error) {
    return String((error as { stderr?: string }).stderr);
  }
  return assert.fail("it was accepted");
}

describe("the custom resources on a real API server", { skip }, () => {
  let plane: Awaited<ReturnType<typeof sharedControlPlane>>;
  let shop: Awaited<ReturnType<typeof namespace>>;
  before(async () => {
    plane = await sharedControlPlane();
    shop = await namespace(plane);
    const definitions = crdPages(api).map(({ text }) => text);
    await plane.kubectl(["apply", "--server-side", "--force-conflicts", "-f", "-"], definitions.join("---\n"));
    await established(plane);
  });
  after(async () => {
    await shop?.[Symbol.asyncDispose]();
    await plane?.[Symbol.asyncDispose]();
  });

  const kubectl = (args: readonly string[], object?: Draft) =>
    plane.kubectl(["-n", shop.name, ...args], object === undefined ? undefined : JSON.stringify(object));
  const dryRun = ["apply", "--validate=strict", "--dry-run=server", "-f", "-"];
  const get = async (...args: string[]): Promise<Draft> => JSON.parse(await kubectl(["get", ...args, "-o", "json"]));

  it("are structural, and have no warnings", async () => {
    const { items } = JSON.parse(await plane.kubectl(["get", "crd", "-l", "app.kubernetes.io/name=worktide", "-o", "json"]));
    assert.equal(items.length, 3);
    for (const { status } of items) {
      const types = status.conditions.filter((one: Draft) => one.status === "True").map((one: Draft) => one.type);
      assert.deepEqual(types.sort(), ["Established", "NamesAccepted"]);
    }
  });

  for (const make of [worker, jobWorker, connection, rabbitConnection, clusterConnection]) {
    it(`accept a ${make.name} without faults`, async () => {
      assert.match(await kubectl(dryRun, make("sample")), /created \(server dry run\)/);
    });
  }

  const examples = globSync(["examples/kubernetes/**/*.yaml"], { cwd: root });
  for (const file of examples) {
    it(`accept every object of ${file}`, async () => {
      const documents = parseAllDocuments(readFileSync(path.join(root, file), "utf8")).map((one) => one.toJS());
      for (const document of documents) assert.match(await kubectl(dryRun, document), /\(server dry run\)/);
    });
  }

  for (const { title, object, refusal } of badObjects) {
    it(`${refusal ? "refuse" : "leave to the webhook"} ${title}`, async () => {
      if (refusal) assert.match(await refusalOf(kubectl(dryRun, object)), refusal);
      else assert.match(await kubectl(dryRun, object), /server dry run/);
    });
  }

  it("show every default in the stored object", async () => {
    await kubectl(["apply", "-f", "-"], worker("defaults"));
    const { spec } = await get("scaledworker", "defaults");
    assert.deepEqual(spec.scaleDown, { protect: "busy", cooldown: "60s" });
    assert.deepEqual([spec.mode, spec.onDelete, spec.concurrency, spec.staleAfter], ["Scale", "Keep", 1, "60s"]);
    assert.equal(spec.behavior.scaleDown.stabilizationWindowSeconds, 60);
    assert.deepEqual(spec.triggers[0].bullmq, { queue: "mails", prefix: "bull", lookAhead: "30s" });
    assert.equal(spec.triggers[0].activation, 0);
  });

  it("store the template of Jobs whole, with what only Kubernetes knows", async () => {
    await kubectl(["apply", "--validate=strict", "-f", "-"], jobWorker("templates"));
    const { spec } = await get("scaledworker", "templates");
    assert.deepEqual(spec.target.job.template, jobWorker().spec.target.job.template);
    assert.deepEqual([spec.target.job.takes, spec.target.job.backoff.max], ["One", "5m"]);
  });

  it("are explained down to the fields of a scaler", async () => {
    const text = await kubectl(["explain", "scaledworker.spec.triggers.bullmq"]);
    assert.match(text, /queue\s+<string> -required-\s+Name of the queue/);
    assert.doesNotMatch(await kubectl(["explain", "scaledworker", "--recursive"]), /^ +process\t/m);
    for (const kind of ["scaledworker.status", "queueconnection.spec.redis", "cqc.spec"]) {
      assert.doesNotMatch(await kubectl(["explain", kind]), /<no description>/i);
    }
  });

  it("print in 80 columns what matters, and by their short names and category", async () => {
    await kubectl(["apply", "-f", "-"], worker("emails"));
    const status = {
      target: "emails-worker",
      replicas: 9,
      desired: 9,
      reason: "SecretNotFound",
      conditions: [{ type: "Ready", status: "True", reason: "Working", message: "", lastTransitionTime: "2026-01-01T00:00:00Z" }],
    };
    await kubectl(["patch", "sw", "emails", "--subresource=status", "--type=merge", "-p", JSON.stringify({ status })]);
    const [head = "", line = ""] = (await kubectl(["get", "sw", "emails"])).split("\n");
    assert.deepEqual(head.split(/\s+/).filter(Boolean), [
      "NAME",
      "TARGET",
      "REPLICAS",
      "DESIRED",
      "MAX",
      "READY",
      "REASON",
      "AGE",
    ]);
    assert.match(line, /^emails +emails-worker +9 +9 +5 +True +SecretNotFound +\d+s$/);
    assert.ok(line.length <= 80 && head.length <= 80, `${line.length} columns`);
    assert.match(
      (await kubectl(["get", "sw", "emails", "-o", "wide"])).split("\n")[0] ?? "",
      /KIND +MIN +LAST-SCALE +PAUSED +MESSAGE/,
    );
    assert.match(await kubectl(["get", "worktide"]), /scaledworker.worktide.dev\/emails/);
    await kubectl(["wait", "--for=condition=Ready", "--timeout=10s", "sw/emails"]);
  });

  it("keep the triggers of two owners (server-side apply)", async () => {
    const apply = (manager: string, object: Draft) =>
      kubectl(["apply", "--server-side", "--field-manager", manager, "-f", "-"], object);
    await apply("first", worker("shared"));
    const { apiVersion, kind, metadata, spec } = worker("shared");
    const triggers = [{ ...spec.triggers[0], name: "more", bullmq: { queue: "more" } }];
    const { target, replicas } = spec; // the same values: several owners may agree
    await apply("second", { apiVersion, kind, metadata, spec: { target, replicas, triggers } });
    const both = await get("sw", "shared");
    assert.deepEqual(both.spec.triggers.map(({ name }: Draft) => name).sort(), ["mails", "more"]);
  });

  it("hold an address to one kind of target for good", async () => {
    await kubectl(["apply", "-f", "-"], worker("fixed"));
    const { target } = jobWorker().spec;
    const change = JSON.stringify({ spec: { target: { ...target, kind: null, name: null } } });
    assert.match(
      await refusalOf(kubectl(["patch", "sw", "fixed", "--type=merge", "-p", change])),
      /must not change between `kind` and `job`/,
    );
    await kubectl(["patch", "sw", "fixed", "--type=merge", "-p", JSON.stringify({ spec: { target: { name: "other" } } })]);
  });

  it("refuse a status of another shape", async () => {
    await kubectl(["apply", "-f", "-"], worker("status"));
    const write = (status: object) =>
      kubectl(["patch", "sw", "status", "--subresource=status", "--type=merge", "-p", JSON.stringify({ status })]);
    assert.match(await refusalOf(write({ conditions: [{ type: "Ready", status: "Yes" }] })), /Unsupported value: "Yes"/);
    assert.match(await refusalOf(write({ replicas: -1 })), /should be greater than or equal to 0/);
  });
});
