import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Decision } from "../../src/core/decision.ts";
import { openFileSink } from "../../src/telemetry/file-sink.ts";
import type { HistoryInput, HistoryLine } from "../../src/telemetry/history.ts";
import type { History, RecordOptions } from "../../src/telemetry/record.ts";
import { createRecord } from "../../src/telemetry/record.ts";
import { createRedactor } from "../../src/telemetry/redact.ts";

const decision: Decision = {
  from: 0,
  to: 1,
  rule: "demand",
  reason: "WorkWaiting",
  summary: "20 waiting ask for 1",
  triggers: [],
  steps: [],
};

function recording(over: Partial<RecordOptions> = {}) {
  let now = 0;
  const options = { clock: () => now++, wallClock: () => 1_700_000_000_000, redactor: createRedactor(), ...over };
  return createRecord(options);
}
const read = (id: number, worker = "shop/mails", waiting = id): HistoryInput => ({
  kind: "read",
  worker,
  id,
  trigger: "mails",
  connection: "shop/main",
  sentAt: id,
  receivedAt: id,
  woken: false,
  result: { reading: { waiting, sampledAt: id } },
});
const decide = (id: string, ...reads: number[]): HistoryInput => ({
  kind: "decide",
  worker: "shop/mails",
  id,
  uid: "u",
  generation: 1,
  reads,
  decision,
});
const linesOf = (record: History, worker = "shop/mails") =>
  (record.lines(worker) ?? []).map((line) => JSON.parse(line) as HistoryLine);

test("Lines come back oldest first, with both times", () => {
  const record = recording();
  record.add(read(1));
  record.add(decide("d1", 1));
  const lines = linesOf(record);
  assert.deepEqual(
    lines.map(({ t, at, kind }) => ({ t, at, kind })),
    [
      { t: 0, at: "2023-11-14T22:13:20.000Z", kind: "read" },
      { t: 1, at: "2023-11-14T22:13:20.000Z", kind: "decide" },
    ],
  );
});

test("Reads that changed nothing are not kept, but those that a decision cites are, once, in front of it", () => {
  const record = recording();
  record.add(read(1));
  for (let id = 2; id < 9; id++) record.add(read(id), false);
  record.add(decide("d1", 8));
  record.add(decide("d2", 8));
  const told = linesOf(record).map((line) => (line.kind === "read" ? line.id : line.kind));
  assert.deepEqual(told, [1, 8, "decide", "decide"]);
});

test("The ring of a worker keeps the newest, and many workers share the whole", () => {
  const record = recording({ size: 100, total: 1_000 });
  for (let id = 0; id < 1_000; id++) record.add(read(id));
  const lines = linesOf(record);
  assert.equal(lines.length, 100);
  assert.equal(lines.at(-1)?.kind === "read" && lines.at(-1), lines.at(-1));
  let kept = 0;
  for (let worker = 0; worker < 40; worker++) for (let id = 0; id < 200; id++) record.add(read(id, `shop/w${worker}`));
  for (let round = 0; round < 50; round++) for (let w = 0; w < 40; w++) record.add(read(round, `shop/w${w}`));
  for (let worker = 0; worker < 40; worker++) kept += linesOf(record, `shop/w${worker}`).length;
  assert.ok(kept <= 1_200, String(kept));
});

test("A worker that nothing was told of has no lines, and one that is gone loses them", () => {
  const record = recording();
  assert.equal(record.lines("shop/mails"), undefined);
  record.add(read(1));
  record.forget("shop/mails");
  assert.equal(record.lines("shop/mails"), undefined);
});

test("No canary is in the lines or in the file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "worktide-record-"));
  const redactor = createRedactor();
  redactor.keepSecret("canary-password");
  const path = join(folder, "history.jsonl");
  {
    await using sink = await openFileSink(path);
    const record = recording({ sink, redactor });
    record.add({ kind: "trouble", worker: "shop/mails", reason: "x", message: "redis://u:canary-password@h refused" });
    record.add(read(1), false);
    assert.match(record.lines("shop/mails")?.join("\n") ?? "", /redis:\/\/\*\*\*@h refused/);
  }
  const text = await readFile(path, "utf8");
  assert.equal(text.split("\n").length, 3, "every read is in the file, unchanged ones too");
  assert.ok(!text.includes("canary"));
  await rm(folder, { recursive: true });
});

test("A file that cannot be opened is an error at once, one that fails later drops lines and says so", async () => {
  await assert.rejects(openFileSink("/nowhere/at/all"), /ENOENT/);
  await using sink = await openFileSink("/dev/full");
  sink.write("line\n");
  const until = performance.now() + 60_000;
  while (sink.failure() === undefined && performance.now() < until) await new Promise(setImmediate);
  sink.write("line\n");
  assert.match(String(sink.failure()), /ENOSPC/);
  assert.equal(sink.dropped(), 1);
});

test("What a decision was made from is in the file, and takes no memory", () => {
  const written: string[] = [];
  const record = recording({ sink: { write: (line) => written.push(line) } });
  const pool = { uid: "u", wanted: 0, existing: 0, ready: 0, leaving: 0, changedAt: 0 };
  record.add({ ...decide("a"), inputs: { pool, observations: [{}], memory: {}, now: 7 } } as HistoryInput);
  assert.match(written.join(""), /"inputs":\{"pool":\{"uid":"u"/);
  assert.doesNotMatch(record.lines("shop/mails")?.join("") ?? "", /inputs/);
});
