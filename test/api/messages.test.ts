import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { crdPages } from "../../src/api/crd.ts";
import { parseObject } from "../../src/api/object.ts";
import { badObjects } from "./bad-objects.ts";
import { api, clusterConnection, connection, type Draft, jobWorker, worker } from "./objects.ts";

/** Of the API conventions of Kubernetes: what is allowed, the field in back-quotes, no "should". */
function assertHouseStyle(message: string): void {
  assert.match(message, /\bmust\b|is not a known field|is missing/, message);
  assert.match(message, /`/, message);
  assert.doesNotMatch(message, /\bshould\b|\binvalid\b|please|[!]/i, message);
}

describe("a message to a user", () => {
  it("says what is allowed, and names the field, in findings", () => {
    for (const { object } of badObjects) for (const { message } of parseObject(object, api).findings) assertHouseStyle(message);
  });

  it("does so in the rules of the API server, which names the field itself", () => {
    const messages = crdPages(api).flatMap(({ text }) =>
      [...text.matchAll(/^\s+message: (.*)$/gm)].map(([, message = ""]) => message),
    );
    assert.ok(messages.length > 50, String(messages.length));
    for (const message of messages) assertHouseStyle(message.startsWith("must be a duration") ? `\`${message}\`` : message);
  });
});

describe("an object with anything anywhere", () => {
  /** Every place in a value, the whole one too. */
  const places = (value: Draft, path: readonly string[] = []): readonly (readonly string[])[] =>
    typeof value !== "object" || value === null
      ? [path]
      : [path, ...Object.entries(value).flatMap(([key, inner]) => places(inner, [...path, key]))];

  const replaced = (value: Draft, [step, ...rest]: readonly string[], by: unknown): Draft => {
    if (step === undefined) return by;
    const copy = Array.isArray(value) ? [...value] : { ...value };
    copy[step] = replaced(value[step], rest, by);
    return copy;
  };

  it("is taken or told of, and never both, and never throws", () => {
    const objects = [worker(), jobWorker(), connection(), clusterConnection()];
    const where = objects.flatMap((object) => places(object).map((path) => ({ object, path })));
    const hostile = fc.constantFrom<unknown>(
      { toString: 1, valueOf: 1, length: -1 },
      { constructor: null },
      JSON.parse('{"__proto__":{"a":1}}'),
    );
    const anything = fc.oneof(fc.jsonValue(), hostile);
    fc.assert(
      fc.property(fc.constantFrom(...where), anything, ({ object, path }, by) => {
        const { worker, connection, findings } = parseObject(replaced(object, path, by), api);
        const errors = findings.filter(({ severity }) => severity === "error");
        assert.notEqual(errors.length > 0, worker !== undefined || connection !== undefined, JSON.stringify(findings));
      }),
      { numRuns: 2000 },
    );
  });
});
