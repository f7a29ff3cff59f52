import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogOptions } from "../../src/telemetry/log.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createRedactor } from "../../src/telemetry/redact.ts";

function logging(over: Partial<LogOptions> = {}) {
  const written: string[] = [];
  const destination = { write: (text: string) => written.push(text) };
  const log = createLog({ level: "info", format: "json", destination, redactor: createRedactor(), ...over });
  return { log, written };
}

test("A line is one JSON object with its level as a word, its time and its fields", () => {
  const { log, written } = logging();
  log.info({ worker: "shop/mails", from: 0, to: 9 }, "scaled");
  assert.equal(written.length, 1);
  const line = JSON.parse(written[0] as string) as Record<string, unknown>;
  assert.match(line["time"] as string, /^\d{4}-\d\d-\d\dT.*Z$/);
  delete line["time"];
  assert.deepEqual(line, { level: "info", worker: "shop/mails", from: 0, to: 9, msg: "scaled" });
});

test("The pretty form says the same on one line, and quotes values with spaces", () => {
  const { log, written } = logging({ format: "pretty" });
  log.warn({ worker: "mails", reason: "crash looping" }, "held");
  assert.match(written.join(""), /^\d\d:\d\d:\d\d warn {2}held worker=mails reason="crash looping"\n$/);
});

test("The pretty form has colours only when asked, and no control character of a name reaches the terminal", () => {
  const plain = logging({ format: "pretty" });
  plain.log.info({ queue: "a\u001b[2Jb" }, "read \u001b[31m");
  assert.ok(!plain.written.join("").includes("\u001b"));
  const coloured = logging({ format: "pretty", color: true });
  coloured.log.info({ queue: "a\u001b[2Jb" }, "read");
  assert.ok(coloured.written.join("").includes("\u001b[32minfo"));
  assert.ok(!coloured.written.join("").includes("\u001b[2J"));
});

test("An error is written with its causes, as a sentence", () => {
  const { log, written } = logging();
  log.error(new Error("reading mails", { cause: new Error("connect refused") }), "round failed");
  const line = JSON.parse(written[0] as string) as { err: { message: string }; msg: string };
  assert.equal(line.msg, "round failed");
  assert.match(line.err.message, /reading mails.*connect refused/);
});

test("A thousand objects that lose one broker write fifty lines, and the next line says how many were left out", () => {
  let now = 0;
  const { log, written } = logging({ clock: () => now });
  for (let i = 0; i < 1000; i++) log.warn({ worker: `w${i}` }, "queue is unreachable");
  assert.equal(written.length, 50);
  log.warn("another message");
  assert.equal(written.length, 51);
  now = 1000;
  log.warn({ worker: "w0" }, "queue is unreachable");
  assert.equal((JSON.parse(written.at(-1) as string) as { leftOut: number }).leftOut, 950);
});

test("A canary in fields, messages and errors reaches no output in any format", () => {
  for (const format of ["json", "pretty"] as const) {
    const redactor = createRedactor();
    const canary = 'c4n"ary\\p@ss/w ord';
    redactor.keepSecret(canary);
    const { log, written } = logging({ format, redactor });
    const url = `redis://user:${encodeURIComponent(canary)}@redis.shop:6379/0`;
    log.info({ url, deep: { password: canary } }, `dialling ${canary}`);
    log.error(new Error(`NOAUTH for ${canary}`, { cause: new Error(url) }), "failed");
    const all = written.join("");
    for (const part of [canary, encodeURIComponent(canary), JSON.stringify(canary).slice(1, -1)]) {
      assert.ok(!all.includes(part), `${format}: ${all}`);
    }
    assert.match(all, /redis:\/\/\*\*\*@redis\.shop:6379\/0/);
  }
});
