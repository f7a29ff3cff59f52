import assert from "node:assert/strict";
import { appendFileSync, closeSync, readdirSync, statSync, utimesSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createLineSplitter, shownLine } from "../../src/targets/process-lines.ts";
import { createProcessLogs } from "../../src/targets/process-logs.ts";
import { createRedactor } from "../../src/telemetry/redact.ts";
import { createRig, temporaryFolder, until } from "./rig.ts";

const same = (text: string) => text;

describe("what workers write", () => {
  it("comes line by line with the name in front, whole lines and whole characters, the last one too", async (t) => {
    const { grow, lines, events, target, logOf } = await createRig(t, { script: "speaker.mjs" });
    await grow(1);
    const { id = "" } = events("started")[0] ?? {};
    await until("it has ended", () => events("exited").some((line) => line.id === id));
    assert.deepEqual(
      lines.filter((line) => line.startsWith(`[${id}]`)),
      ["half a line", "second line", "grün 🐟", "no end"].map((line) => `[${id}] ${line}`),
    );
    await target.killAll();
    assert.equal(logOf(id), "half a line\nsecond line\r\ngrün 🐟\nno end");
  });

  it("stays in the file in mode File, and goes nowhere in mode Discard", async (t) => {
    const filed = await createRig(t, { script: "worker.mjs", spec: { logs: "File" } });
    await filed.grow(1);
    await until("the file has it", () => filed.logOf(filed.staying()[0] ?? "").includes("tick"));
    assert.deepEqual(filed.lines, []);
    const discarded = await createRig(t, { script: "worker.mjs", spec: { logs: "Discard" } });
    await discarded.grow(1);
    await until("it is ready", () => discarded.target.pool().ready === 1);
    assert.equal(discarded.logOf(discarded.staying()[0] ?? ""), "");
  });

  it("is cut where a line never ends, and the rest of it costs nothing", () => {
    const lines: string[] = [];
    const splitter = createLineSplitter((line) => lines.push(line));
    for (let n = 0; n < 500; n++) splitter.push(Buffer.alloc(10_000, "x"));
    splitter.push(Buffer.from("\n\nlast"));
    splitter.end();
    assert.deepEqual(lines.slice(1), ["", "last"]);
    assert.ok((lines[0] ?? "").length < 32 * 1024);
    assert.equal(shownLine(lines[0] ?? "", same), `${"x".repeat(16 * 1024)} … (cut)`);
    assert.equal(shownLine("x".repeat(16 * 1024), same).length, 16 * 1024);
    assert.equal(shownLine("x".repeat(16 * 1024 + 1), same), `${"x".repeat(16 * 1024)} … (cut)`);
  });

  it("loses the secrets that are known, wherever the line is cut and however it is coloured", () => {
    const secret = "CANARY-4711";
    const { keepSecret, redact } = createRedactor();
    keepSecret(secret);
    for (const at of [0, 16_370, 16_380, 20_470, 20_480, 30_000]) {
      const lines: string[] = [];
      const splitter = createLineSplitter((line) => lines.push(shownLine(line, redact)));
      splitter.push(Buffer.from(`${"x".repeat(at)}${secret.repeat(3)}${secret} and more ${"y".repeat(at)}\n`));
      assert.ok(!/CAN/.test(lines.join()), String(at));
    }
    assert.equal(shownLine("CANARY\u001b[1m-47\u001b[0m11 at redis://u:p@h", redact), "*** at redis://***@h");
  });

  it("has nothing in it that a terminal would obey, but tabs", () => {
    for (const [line, shown] of [
      ["a\tb", "a\tb"],
      ["\u001b[1;31mred\u001b[0m \u009b31mred", "red red"],
      ["\u001b]0;title\u0007text \u001b]8;;http://h\u001b\\link\u001b]8;;\u001b\\", "text link"],
      ["\u001b]0;no end", "0;no end"],
      ["\u001bc\u001b(Bx\rback\bspace\u007f\u0085", "xbackspace"],
    ] as const)
      assert.equal(shownLine(line, same), shown);
    const scraps = fc.array(fc.constantFrom("\u001b", "[", "]", "31m", "\u0007", "\\", "\u009b", "\u0090", "(", "\t", "text"));
    fc.assert(
      fc.property(scraps, (parts) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
        assert.ok(!/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/.test(shownLine(parts.join(""), same)));
      }),
    );
  });

  it("comes from the worker without the secrets that worktide knows, and stays in its file as it was written", async (t) => {
    const { keepSecret, redact } = createRedactor();
    keepSecret("second");
    const { grow, lines, events, target, logOf } = await createRig(t, { script: "speaker.mjs", redact });
    await grow(1);
    const { id = "" } = events("started")[0] ?? {};
    await until("it has ended", () => events("exited").some((line) => line.id === id));
    assert.ok(lines.includes(`[${id}] *** line`), lines.join("\n"));
    await target.killAll();
    assert.ok(logOf(id).includes("second line"));
  });
});

describe("log files", () => {
  it("that grew too large are emptied under the worker, which writes on", async (t) => {
    const dir = temporaryFolder();
    const lines: string[] = [];
    const logs = createProcessLogs({
      dir,
      pool: "mails",
      mode: "Prefix",
      output: (line) => lines.push(line),
      redact: same,
      maxBytes: 1000,
    });
    t.after(logs.close);
    const { fd } = logs.open("mails-1-abcd");
    t.after(() => closeSync(fd));
    logs.follow("mails-1-abcd", "begin");
    writeSync(fd, `${"x".repeat(2000)}\n`);
    const file = join(dir, "mails-1-abcd.log");
    await until("it is emptied", () => statSync(file).size === 0);
    writeSync(fd, "after\n");
    await until("it is heard again", () => lines.includes("[mails-1-abcd] after"));
    assert.equal(statSync(file).size, 6);
    assert.equal(lines.length, 2);
  });

  it("of workers that are gone are kept ten to a pool, the newest, and those of others are let be", (t) => {
    const dir = temporaryFolder();
    const logs = createProcessLogs({ dir, pool: "mails", mode: "File", output: () => {}, redact: same });
    t.after(logs.close);
    for (let n = 1; n <= 15; n++) {
      writeFileSync(join(dir, `mails-${n}-00ff.log`), "x");
      utimesSync(join(dir, `mails-${n}-00ff.log`), n, n);
    }
    for (const other of ["mails-2-1-00ff.log", "other-1-00ff.log", "mails.log"]) writeFileSync(join(dir, other), "x");
    logs.follow("mails-1-00ff", "begin");
    logs.finish("mails-9-9999");
    const left = readdirSync(dir).filter((name) => /^mails-\d+-00ff/.test(name));
    assert.deepEqual(left.toSorted(), [1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map((n) => `mails-${n}-00ff.log`).toSorted());
    assert.equal(readdirSync(dir).length, 14);
  });

  it("give their last line without secrets, colours and control characters, and not more than 200 characters of it", (t) => {
    const dir = temporaryFolder();
    const logs = createProcessLogs({ dir, pool: "mails", mode: "File", output: () => {}, redact: same });
    t.after(logs.close);
    appendFileSync(join(dir, "a.log"), `first\n\u001b[31m${"y".repeat(500)}\u0007\u001b[0m\n\n`);
    assert.equal(logs.lastLine("a"), `${"y".repeat(199)}…`);
    assert.equal(logs.lastLine("missing"), undefined);
    writeFileSync(join(dir, "b.log"), "CANARY refused\n");
    const { keepSecret, redact } = createRedactor();
    keepSecret("CANARY");
    const careful = createProcessLogs({ dir, pool: "mails", mode: "File", output: () => {}, redact });
    t.after(careful.close);
    assert.equal(careful.lastLine("b"), "*** refused");
    // What is looked at begins in the midst of the secret.
    writeFileSync(join(dir, "c.log"), `${"x".repeat(100)}CANARY${"\u0007".repeat(8_100)}${"y".repeat(89)}`);
    assert.doesNotMatch(careful.lastLine("c") ?? "", /ARY/);
    writeFileSync(join(dir, "d.log"), "x".repeat(20_000));
    assert.equal(careful.lastLine("d"), `…${"x".repeat(199)}`);
  });
});
