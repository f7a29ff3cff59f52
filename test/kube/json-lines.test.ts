import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createJsonLines } from "../../src/kube/json-lines.ts";

/** The values of a text that comes in pieces of these lengths, the last of which holds the rest. */
function valuesOf(text: string, lengths: readonly number[]): readonly unknown[] {
  const values: unknown[] = [];
  const take = createJsonLines((value) => values.push(value));
  let rest = Buffer.from(text);
  for (const length of lengths) {
    take(rest.subarray(0, length));
    rest = rest.subarray(length);
  }
  take(rest);
  return values;
}

describe("JSON lines", () => {
  it("give the same values however the stream is cut, also within a character", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.array(fc.nat(40)), (values, lengths) => {
        const plain = JSON.parse(JSON.stringify(values)) as readonly unknown[];
        const text = plain.map((value) => `${JSON.stringify(value)}\n`).join("");
        assert.deepEqual(valuesOf(text, lengths), plain);
        assert.deepEqual(valuesOf(`${text}{"half":`, lengths), plain, "half a frame is no frame");
      }),
    );
  });

  it("take empty lines for nothing, and throw at what is not JSON or has no end", () => {
    assert.deepEqual(valuesOf('\n\n1\n\n"ü"\n', [3]), [1, "ü"]);
    assert.throws(() => valuesOf("{]\n", []), SyntaxError);
    const take = createJsonLines(() => {});
    const piece = Buffer.alloc(1024 * 1024, "x");
    assert.throws(() => {
      for (let i = 0; i < 20; i++) take(piece);
    }, /a line of more than/);
  });
});
