import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createProcessTarget, type ProcessTarget } from "../../src/targets/process.ts";
import { isSame } from "../../src/targets/process-identity.ts";
import type { ProcessTargetOptions } from "../../src/targets/process-options.ts";
import type { ProcessSpec } from "../../src/targets/process-start.ts";
import type { HistoryInput } from "../../src/telemetry/history.ts";
import { patienceMs } from "../support/wait.ts";

export const clock = (): number => Number(process.hrtime.bigint()) / 1e6;
export const { signal } = new AbortController();
export const fixture = (name: string): string => join(import.meta.dirname, "fixtures", name);

/** Waits for a condition. Throws, and says what was awaited, when it does not come in time. */
export async function until(what: string, condition: () => boolean, ms = patienceMs): Promise<void> {
  for (const end = clock() + ms; !condition(); await pause(10)) {
    if (clock() > end) throw new Error(`waited ${ms} ms in vain until ${what}`);
  }
}

type Given = Partial<Omit<ProcessTargetOptions, "spec">> & {
  script: string;
  args?: readonly string[];
  spec?: Partial<ProcessSpec>;
};
type MemberLine = Extract<HistoryInput, { kind: "member" }>;

export type Rig = Readonly<{
  target: ProcessTarget;
  options: ProcessTargetOptions;
  stateDir: string;
  said: readonly string[];
  lines: readonly string[];
  history: readonly HistoryInput[];
  events(event: MemberLine["event"]): readonly MemberLine[];
  /** Ids of members that stay, in the order of their start. */
  staying(): readonly string[];
  grow(to: number): Promise<void>;
  /** As a second Ctrl-C: leaves the workers to the next rig of the test. */
  abandon(): void;
  /** What a worker wrote so far. */
  logOf(id: string): string;
}>;

const folders: string[] = [];
process.once("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Removed when the test process ends: hooks run in the order of their making, and the targets of a test write until their own. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "worktide-targets-"));
  folders.push(folder);
  return folder;
}

/** A target over real processes. After the test all of them are killed, and none of those it ever had may live. */
export async function createRig(t: TestContext, { script, args = [], spec, ...given }: Given): Promise<Rig> {
  const stateDir = given.stateDir ?? temporaryFolder();
  const said: string[] = [];
  const lines: string[] = [];
  const history: HistoryInput[] = [];
  const say = (_fields: object, message: string): unknown => said.push(message);
  const command = [process.execPath, fixture(script), ...args];
  const options: ProcessTargetOptions = {
    name: "mails",
    spec: { command, cwd: stateDir, env: {}, stopSignal: "SIGTERM", stopGraceMs: 5_000, logs: "Prefix", ...spec },
    ...{ protect: "busy", stateDir, clock, log: { info: say, warn: say }, env: process.env, holdsJob: () => undefined },
    history: (line) => history.push(line),
    output: (line) => lines.push(line),
    ...given,
  };
  const target = await createProcessTarget(options);
  const events = (event: MemberLine["event"]) =>
    history.filter((line) => line.kind === "member").filter((line) => line.event === event);
  const staying = () =>
    target
      .pool()
      .members?.filter((member) => !member.leaving)
      .map(({ id }) => id) ?? [];
  let abandoned = false;
  t.after(async () => {
    if (abandoned) return; // the next rig of this test has its workers
    await target.killAll();
    for (const { id, pid = 0, detail = "" } of [...events("started"), ...events("adopted")]) {
      assert.ok(!isSame(pid, detail.replace("start ", "")), `${id} lives on as ${pid}`);
    }
  });
  return {
    ...{ target, options, stateDir, said, lines, history, events, staying },
    grow: async (to) => {
      await target.apply({ from: target.pool().wanted, to, decision: "test" }, signal);
    },
    abandon: () => {
      abandoned = true;
      target.abandon();
    },
    logOf: (id) => readFileSync(join(stateDir, "logs", `${id}.log`), "utf8"),
  };
}
