import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { scalers } from "../../scalers/index.ts";
import { type Api, defineApi } from "../../src/api/define.ts";
import { type JsonSchema, mustBe } from "../../src/api/json-schema.ts";
import { kinds } from "../../src/api/meta.ts";
import { brokers } from "../../src/brokers/brokers.ts";
import { sampleApi, sampleBrokers, sampleScalers } from "./sample.ts";

/** Every field of a schema with its path, items and values of maps too. */
function fields(schema: JsonSchema, path: string): readonly (readonly [path: string, schema: JsonSchema])[] {
  const inner = Object.entries(schema.properties ?? {}).map(([key, child]) => [`${path}.${key}`, child] as const);
  const items = schema.items ? [[`${path}[]`, schema.items] as const] : [];
  const { additionalProperties: more } = schema;
  // `{}` is anything at all: an object of Kubernetes' own, which its API server checks.
  const values = typeof more === "object" && Object.keys(more).length > 0 ? [[`${path}.*`, more] as const] : [];
  return [...inner, ...items, ...values].flatMap(([at, child]) => [[at, child] as const, ...fields(child, at)]);
}

const apis: Readonly<Record<string, Api>> = {
  "of the samples": sampleApi,
  "as it is published": defineApi(scalers, brokers),
};

for (const [title, api] of Object.entries(apis)) {
  const all = kinds.flatMap((kind) => fields(api.json[kind], kind));
  const failing = (wrong: (path: string, schema: JsonSchema) => boolean) =>
    all.filter((field) => wrong(...field)).map(([path]) => path);

  describe(`the schema ${title}`, () => {
    it("describes every field, in a sentence", () => {
      assert.deepEqual(
        failing((path, { description }) => !/(\]|\*)$/.test(path) && !/^\S.*[.!]$/s.test(description ?? "")),
        [],
      );
    });

    it("gives an example or a choice with every plain field", () => {
      const plain = (schema: JsonSchema) => !["object", "array"].includes(schema.type ?? "") && schema.const === undefined;
      assert.deepEqual(
        failing((path, one) => !/(\]|\*)$/.test(path) && plain(one) && !/Example: `|`\w/.test(one.description ?? "")),
        [],
      );
    });

    it("bounds every number, text and list", () => {
      const bounded = (schema: JsonSchema): boolean => {
        if (schema.enum || schema.const !== undefined) return true;
        if (schema.type === "integer")
          return Math.abs(schema.minimum ?? -1e18) <= 2 ** 31 && Math.abs(schema.maximum ?? 1e18) <= 2 ** 31;
        if (schema.type === "number") return schema.minimum !== undefined && schema.maximum !== undefined;
        if (schema.type === "string") return schema.maxLength !== undefined || schema.format === "date-time";
        return schema.type !== "array" || schema.maxItems !== undefined;
      };
      assert.deepEqual(
        failing((_path, schema) => !bounded(schema)),
        [],
      );
    });

    it("knows no unknown keys", () => {
      assert.deepEqual(
        failing((_path, { type, additionalProperties }) => type === "object" && (additionalProperties ?? true) === true),
        [],
      );
    });

    it("is structural: every field has one type, so that it can become a CRD", () => {
      assert.deepEqual(
        failing((_path, { type, anyOf, oneOf }) => type === undefined || anyOf !== undefined || oneOf !== undefined),
        [],
      );
    });

    it("can say of every field what it must be", () => {
      assert.deepEqual(
        failing((_path, schema) => !mustBe(schema).startsWith("must ") || mustBe(schema).includes("something else")),
        [],
      );
    });
  });
}

describe("an api", () => {
  it("refuses scalers and brokers that do not fit together", () => {
    assert.throws(
      () => defineApi([...sampleScalers, ...sampleScalers], sampleBrokers),
      /two fields of a trigger are called 'mail'/,
    );
    assert.throws(() => defineApi(sampleScalers, []), /reads from unknown broker/);
  });
});
