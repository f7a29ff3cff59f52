import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseObject } from "../../src/api/object.ts";
import { annotatedPause } from "../../src/api/pause.ts";
import { withoutEndedPauses } from "../../src/api/resolve.ts";
import { api, type Draft, worker } from "./objects.ts";

const until = "2026-12-24T18:00:00+01:00";
const untilMs = Date.parse("2026-12-24T17:00:00Z");

const annotated = (marks: Readonly<Record<string, string>>, pause?: Draft) => {
  const object = worker();
  object.metadata.annotations = Object.fromEntries(Object.entries(marks).map(([key, text]) => [`worktide.dev/${key}`, text]));
  if (pause) object.spec.pause = pause;
  return parseObject(object, api);
};

describe("a pause by annotation", () => {
  const asked = [
    ["true", "Both"],
    ["all", "Both"],
    ["True", "Both"],
    ["yes", "Both"],
    ["up", "Up"],
    ["down", "Down"],
  ] as const;
  for (const [text, directions] of asked) {
    it(`'${text}' holds ${directions}`, () => {
      const { worker, findings } = annotated({ paused: text });
      assert.deepEqual(findings, []);
      assert.deepEqual(worker?.rules.pause, { directions, reason: "annotation worktide.dev/paused" });
    });
  }

  it("'false' holds nothing, and other annotations are none", () => {
    assert.equal(annotated({ paused: "false" }).worker?.rules.pause, undefined);
    assert.equal(annotated({ "paused-reason": "x" }).worker?.rules.pause, undefined);
    assert.deepEqual(annotatedPause(), { complaints: [] });
  });

  it("may end by itself, and say why", () => {
    const { worker } = annotated({ paused: "down", "paused-until": until, "paused-reason": "moving, ann" });
    assert.deepEqual(worker?.pauses, [{ directions: "Down", reason: "moving, ann", until: untilMs }]);
    assert.deepEqual(worker?.rules.pause, { directions: "Down", reason: "moving, ann" });
  });

  it("is told of when it cannot be read, and the worker is not taken", () => {
    const wrong = [{ paused: "yess" }, { paused: "constructor" }, { "paused-until": until }];
    for (const marks of wrong) {
      const { worker, findings } = annotated(marks);
      assert.equal(worker, undefined);
      assert.deepEqual(
        findings.map(({ rule }) => rule),
        ["pause-annotation"],
        JSON.stringify(findings),
      );
      assert.match(findings[0]?.message ?? "", /^annotation `worktide.dev\/paused(-until)?` must /);
    }
  });

  it("holds without an end where that cannot be read, and says so", () => {
    for (const end of ["tomorrow", "2026-12-24", "2026-99-99T00:00:00Z", ""]) {
      const { worker, findings } = annotated({ paused: "true", "paused-until": end });
      assert.deepEqual(worker?.pauses, [{ directions: "Both", reason: "annotation worktide.dev/paused" }], end);
      assert.deepEqual(
        findings.map(({ rule, severity }) => [rule, severity]),
        [["pause-end", "warning"]],
      );
    }
  });

  it("that is misspelt in its key is warned of", () => {
    const { worker, findings } = annotated({ pausd: "true" });
    assert.equal(worker?.rules.pause, undefined);
    assert.deepEqual(
      findings.map(({ rule, severity }) => [rule, severity]),
      [["unknown-annotation", "warning"]],
    );
    assert.match(findings[0]?.message ?? "", /^annotation `worktide.dev\/pausd` must be one of `worktide.dev\/paused`, /);
  });

  it("changes the digest, though not the generation", () => {
    const [plain, paused] = [annotated({}), annotated({ paused: "true" })];
    assert.notEqual(plain.worker?.digest, paused.worker?.digest);
    assert.equal(plain.generation, paused.generation);
  });
});

describe("several pauses", () => {
  it("hold together what each of them holds", () => {
    const both = annotated({ paused: "up", "paused-reason": "ann" }, { directions: "Down", reason: "bob" });
    assert.deepEqual(both.worker?.rules.pause, { directions: "Both", reason: "ann; bob" });
    const same = annotated({ paused: "up", "paused-reason": "ann" }, { directions: "Up" });
    assert.deepEqual(same.worker?.rules.pause, { directions: "Up", reason: "ann" });
  });

  it("end one by one", () => {
    const { worker } = annotated(
      { paused: "up", "paused-until": until, "paused-reason": "ann" },
      { directions: "Down", reason: "bob" },
    );
    assert.ok(worker);
    assert.equal(withoutEndedPauses(worker, untilMs - 1), worker);
    const later = withoutEndedPauses(worker, untilMs);
    assert.deepEqual(later.rules.pause, { directions: "Down", reason: "bob" });
    assert.deepEqual(later.pauses.length, 1);
    const ended = annotated({ paused: "true", "paused-until": until }).worker;
    assert.ok(ended);
    assert.equal("pause" in withoutEndedPauses(ended, untilMs).rules, false);
  });
});
