import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../src/core/", import.meta.url);

/** What would make the same situation bring another decision. */
const impure =
  /\bawait\b|\basync\b|\bDate\b|\bperformance\b|Math\.random|\bprocess\.|\bconsole\.|\bset(Timeout|Interval)\b|\bfetch\(/;

test("core waits for nothing, and reads no clock, chance or environment", () => {
  for (const file of readdirSync(folder)) {
    const code = readFileSync(new URL(file, folder), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
    // The contract names what scalers and brokers do; it does none of it.
    if (file !== "contract.ts") assert.doesNotMatch(code, impure, file);
    for (const [, from] of code.matchAll(/from "([^"]+)"/g)) assert.match(from ?? "", /^\.\/|^zod$/, `${file} imports ${from}`);
  }
});
