import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { lineOutput } from "../../src/cli/line-output.ts";

test("Lines that nobody reads are left out and counted, and once they are read again all is told", async () => {
  const stream = new PassThrough();
  const output = lineOutput(stream);
  const line = "x".repeat(1 << 20);
  for (let n = 1; n <= 100; n++) output(line);
  assert.ok(stream.writableLength < 8 << 20, `${stream.writableLength} bytes kept`);
  const read = text(stream);
  while (stream.writableLength > 0) await new Promise((done) => setImmediate(done));
  output("again");
  stream.end();
  const lines = (await read).trimEnd().split("\n");
  const kept = lines.filter((each) => each === line).length;
  assert.deepEqual(lines.slice(kept), [`… ${100 - kept} lines of workers left out: nobody read them in time`, "again"]);
});
