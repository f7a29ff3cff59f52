import assert from "node:assert/strict";
import { test } from "node:test";
import { visible } from "../../src/cli/text.ts";

test("What would steer a terminal is written out, in text and in JSON alike", () => {
  const hostile = "a\u001b[31mred\u0007\u009b2J\u202etxt\rb\u007f";
  assert.equal(visible(`${hostile}\tc\nd → ✔`), "a\\u001b[31mred\\u0007\\u009b2J\\u202etxt\\u000db\\u007f\tc\nd → ✔");
  assert.deepEqual(JSON.parse(visible(JSON.stringify({ [hostile]: hostile }, null, 2))), { [hostile]: hostile });
});
