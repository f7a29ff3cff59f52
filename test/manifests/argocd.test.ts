import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { findPackaging, runRule } from "../support/packaging.ts";
import { root } from "./objects.ts";

const packaging = await findPackaging();
const skip = "missing" in packaging && packaging.missing;
const folder = path.join(root, "manifests", "argocd");
const script = (name: string) => readFile(path.join(folder, `${name}.lua`), "utf8");

type Condition = Readonly<{ type: string; status: string; reason: string; message: string }>;
const condition = (type: string, status: string, reason: string, message = ""): Condition => ({ type, status, reason, message });
const working = condition("Ready", "True", "Working");

function worker(conditions: readonly Condition[], { generation = 2, observedGeneration = 2, annotations = {} } = {}) {
  const metadata = { name: "mails", generation, annotations };
  return { apiVersion: "worktide.dev/v1alpha1", kind: "ScaledWorker", metadata, status: { observedGeneration, conditions } };
}

const cases = [
  ["ready", worker([working]), "Healthy", "Working"],
  ["not seen yet", { metadata: { generation: 1 } }, "Progressing", "Worktide has not taken in this version yet"],
  [
    "changed, and not taken in yet",
    worker([working], { observedGeneration: 1 }),
    "Progressing",
    "Worktide has not taken in this version yet",
  ],
  [
    "not known yet",
    worker([condition("Ready", "Unknown", "Starting", "reading mails")]),
    "Progressing",
    "Starting: reading mails",
  ],
  [
    "waiting for a person",
    worker([
      condition("Ready", "False", "SecretNotFound"),
      condition("Stalled", "True", "SecretNotFound", "Secret 'redis' is missing"),
    ]),
    "Degraded",
    "SecretNotFound: Secret 'redis' is missing",
  ],
  [
    "away from its queue for long",
    worker([condition("Ready", "False", "QueueUnreachable", "connection refused"), condition("Paused", "True", "PausedBySpec")]),
    "Degraded",
    "QueueUnreachable: connection refused",
  ],
  [
    "away from its queue for a moment",
    worker([working, condition("ReadingsFresh", "False", "SomeStale", "mails: timed out")]),
    "Healthy",
    "SomeStale: mails: timed out",
  ],
  ["paused", worker([working, condition("Paused", "True", "PausedBySpec", "by ann")]), "Suspended", "PausedBySpec: by ann"],
  ["only observing", worker([working, condition("Paused", "True", "ObserveOnly")]), "Healthy", "Working"],
  ["not paused", worker([working, condition("Paused", "False", "NotPaused")]), "Healthy", "Working"],
  ["a connection that nobody uses", worker([condition("Ready", "True", "Unused")]), "Healthy", "Unused"],
] as const;

describe("Argo CD", { skip }, () => {
  for (const [what, object, status, message] of cases) {
    it(`takes one that is ${what} for ${status}`, async () => {
      assert.deepEqual(await runRule(await script("health"), object), { status, message });
    });
  }

  it("pauses and resumes by annotation, and offers what makes sense", async () => {
    type Buttons = Record<"pause" | "resume", { disabled: boolean }>;
    type Paused = { metadata: { annotations?: Record<string, string> } };
    const discovery = await script("actions/discovery");
    const fresh = worker([working], { annotations: { keep: "this" } });
    assert.deepEqual(await runRule<Buttons>(discovery, fresh), { pause: { disabled: false }, resume: { disabled: true } });
    const paused = await runRule<Paused>(await script("actions/pause"), fresh);
    assert.equal(paused.metadata.annotations?.["worktide.dev/paused"], "true");
    assert.deepEqual(await runRule<Buttons>(discovery, paused), { pause: { disabled: true }, resume: { disabled: false } });
    const resumed = await runRule<Paused>(await script("actions/resume"), paused);
    assert.deepEqual(resumed.metadata.annotations, { keep: "this" });
  });

  it("gets these very rules by the ConfigMap that is shipped", async () => {
    const { data } = parse(await readFile(path.join(folder, "argocd-cm.yaml"), "utf8")) as { data: Record<string, string> };
    for (const kind of ["ScaledWorker", "QueueConnection", "ClusterQueueConnection"]) {
      assert.equal(data[`resource.customizations.health.worktide.dev_${kind}`], await script("health"));
    }
    const actions = parse(data["resource.customizations.actions.worktide.dev_ScaledWorker"] ?? "");
    assert.equal(actions["discovery.lua"], await script("actions/discovery"));
    assert.deepEqual(actions.definitions, [
      { name: "pause", "action.lua": await script("actions/pause") },
      { name: "resume", "action.lua": await script("actions/resume") },
    ]);
  });
});
