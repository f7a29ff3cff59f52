import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { findFaketime } from "../support/faketime.ts";
import { waitFor } from "../support/wait.ts";
import { pool } from "./support/pools.ts";
import { calm } from "./support/scenario.ts";
import { setStage } from "./support/stage.ts";

const found = await findFaketime();
const library = "library" in found ? found.library : "";
const skip = "missing" in found ? found.missing : false;

suite("The wall clock of worktide steps", { skip }, () => {
  test("an hour ahead, an hour back and a day ahead: nothing is older, cooler or due for that (row 64)", async () => {
    const folder = await mkdtemp(join(tmpdir(), "worktide-clock-"));
    await using undo = new AsyncDisposableStack();
    undo.defer(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, "offset");
    await writeFile(file, "+0");
    const clock = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
    const mails = pool("mails", { min: 1, cooldownMs: 6000, downWindowS: 6 });
    await using stage = await setStage({
      pools: [mails, calm],
      env: clock,
      workerEnv: { LD_PRELOAD: "" },
      constants: { duplicates: "fail" },
    });
    await stage.settles("calm", 1);
    await stage.occupied("mails", 12, 700);
    const shifts = ["+3600", "-3600", "+86400", "+0"];
    await stage.fault({ fault: "clock steps" }, async () => {
      for (const shift of shifts) {
        await writeFile(file, shift);
        const from = Date.now() + Number(shift) * 1000;
        await waitFor(`a reading at ${shift} s`, async () => Date.parse((await stage.trigger("mails"))?.readAt ?? "") > from);
        await pause(1500);
      }
    });
    await stage.drained();
    await writeFile(file, "+3600");
    await stage.settles("mails", 1);
    const { lines, writes } = await stage.judge();
    // It did look at that clock.
    const hours = new Set(
      lines.flatMap((line) => (line.kind === "read" ? [Math.round((Date.parse(line.at) - Date.now()) / 3_600_000)] : [])),
    );
    assert.ok(hours.has(1) && hours.has(-1) && hours.has(24), `hours ${[...hours]}`);
    // A window of six seconds holds, whatever the clock says: nothing shrinks until six seconds after the last growth.
    const [grown, shrunk] = [
      writes("mails").findLast(({ from, to }) => to > from),
      writes("mails").find(({ from, to }) => to < from),
    ];
    assert.ok(grown !== undefined && shrunk !== undefined && shrunk.sentAt - grown.endedAt > 5000);
  });
});
