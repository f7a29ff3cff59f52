import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { House } from "./house.ts";
import type { Load } from "./load.ts";
import { kill } from "./proc.ts";
import type { Steps } from "./steps.ts";
import type { Witness } from "./witness.ts";

type Stage = Pick<House, "dir"> &
  Pick<Load, "enqueue"> &
  Pick<Witness, "processes"> &
  Pick<Steps, "fault" | "busy" | "drained" | "settles">;

/**
 * One of three workers of `mails`, which all have a job in hand, stands still for so long while `more` jobs wait: it is not taken
 * away. Resolves when all is done and the pool is back at 1.
 */
export async function keepsWedged(stage: Stage, more: number, ms: number): Promise<void> {
  const until = join(stage.dir, "release");
  await stage.enqueue("mails", 3, 1500, { until });
  await stage.enqueue("mails", more, 1500);
  await stage.busy(3); // all of them, so whoever is stopped has one in hand
  const [victim] = stage.processes("mails");
  assert.ok(victim !== undefined);
  await stage.fault({ fault: "SIGSTOP", worker: "mails", member: victim.id }, async () => {
    kill(victim.pid, "SIGSTOP");
    await writeFile(until, "");
    await pause(ms);
    assert.ok(
      stage.processes("mails").some(({ pid }) => pid === victim.pid),
      "it is still there",
    );
    kill(victim.pid, "SIGCONT");
  });
  await stage.drained();
  await stage.settles("mails", 1);
}
