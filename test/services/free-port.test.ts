import assert from "node:assert/strict";
import { test } from "node:test";
import { freePort } from "../../src/services/free-port.ts";

test("a port that was given is not given again, though nobody listens there yet", async () => {
  // By luck alone, so many of some ten thousand would hardly ever be different ones.
  const ports = await Promise.all(Array.from({ length: 400 }, () => freePort()));
  assert.equal(new Set(ports).size, 400);
});
