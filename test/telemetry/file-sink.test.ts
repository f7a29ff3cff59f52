import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { constants } from "node:fs";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openFileSink } from "../../src/telemetry/file-sink.ts";

test("Lines are appended to a file, and to a pipe that somebody reads; one that nobody reads holds up nobody", async () => {
  const folder = await mkdtemp(join(tmpdir(), "worktide-sink-"));
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  const [file, pipe] = [join(folder, "history.jsonl"), join(folder, "pipe")];
  for (const line of ["one\n", "two\n"]) {
    await using sink = await openFileSink(file);
    sink.write(line);
  }
  assert.equal(await readFile(file, "utf8"), "one\ntwo\n");

  execFileSync("mkfifo", [pipe]);
  await assert.rejects(openFileSink(pipe), { message: "it is a pipe that nobody reads" });
  const reader = undo.use(await open(pipe, constants.O_RDONLY | constants.O_NONBLOCK));
  {
    await using sink = await openFileSink(pipe);
    sink.write("three\n");
  }
  const { buffer, bytesRead } = await reader.read(Buffer.alloc(100), 0, 100, null);
  assert.equal(buffer.toString("utf8", 0, bytesRead), "three\n");
});
