import assert from "node:assert/strict";
import { type ChildProcess, type SpawnOptions, type StdioOptions, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import type { Pool } from "../../src/core/spec.ts";
import { bootId, isSame, processes } from "../../src/targets/process-identity.ts";
import type { PoolState } from "../../src/targets/process-state.ts";
import { clock, createRig, fixture, signal, temporaryFolder, until } from "./rig.ts";

const onLinux = process.platform === "linux" ? false : "finds them by /proc/PID/environ";
const withoutPython = spawnSync("python3", ["--version"]).error && "python3 is not installed";

/** A supervisor that started `size` workers, told `leaving` of them to stop, and was killed with SIGKILL. */
async function killedSupervisor(
  script: string,
  size: number,
  leaving = 0,
  command: readonly string[] = [process.execPath, fixture(script)],
  logs: "Prefix" | "Discard" = "Prefix",
): Promise<{ stateDir: string; left: Pool }> {
  const stateDir = temporaryFolder();
  const spec = { command, cwd: stateDir, env: {}, stopSignal: "SIGTERM", stopGraceMs: 60_000, logs };
  const given = JSON.stringify({ name: "mails", spec, protect: "busy", stateDir });
  const supervisor = spawn(process.execPath, [fixture("supervisor.ts"), given, String(size), String(leaving)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let told = "";
  supervisor.stdout.on("data", (data: Buffer) => {
    told += data.toString();
  });
  await until("the supervisor has its pool", () => told.includes("\n"));
  const exited = once(supervisor, "exit");
  supervisor.kill("SIGKILL");
  await exited;
  return { stateDir, left: JSON.parse(told) as Pool };
}

/** A process that is none of ours, and gets no signal. */
function stranger(t: TestContext): ChildProcess & { pid: number } {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore", detached: true });
  t.after(() => child.kill("SIGKILL"));
  return child as ChildProcess & { pid: number };
}

/** One that is none of ours either, but writes to these files. */
function outsider(
  t: TestContext,
  script: string,
  [out, err]: readonly [string, string],
  { args = [], ...options }: SpawnOptions & { args?: readonly string[] } = {},
): void {
  const [stdout, stderr] = [openSync(out, "a"), openSync(err, "a")];
  const stdio: StdioOptions = ["ignore", stdout, stderr];
  const child = spawn("python3", [fixture(script), ...args], { stdio, detached: true, ...options });
  for (const fd of [stdout, stderr]) closeSync(fd);
  t.after(() => child.kill("SIGKILL"));
}

describe("after worktide was killed", () => {
  it("the workers work on, and the next one takes over every one of them", async (t) => {
    const { stateDir, left } = await killedSupervisor("worker.mjs", 4);
    const { target, events, lines, staying, logOf } = await createRig(t, { script: "worker.mjs", stateDir });
    const ids = left.members?.map(({ id }) => id).toSorted();
    assert.deepEqual(staying().toSorted(), ids);
    assert.deepEqual([target.pool().wanted, target.pool().existing, target.pool().uid], [4, 4, left.uid]);
    assert.deepEqual(
      events("adopted")
        .map(({ id }) => id)
        .toSorted(),
      ids,
    );
    await until("each of them is heard", () => staying().every((id) => lines.some((line) => line.startsWith(`[${id}] tick`))));
    for (const id of staying()) assert.equal(logOf(id).match(/^up/gm)?.length, 1);
    const [first = ""] = staying();
    await target.apply({ from: 4, to: 3, remove: [first], decision: "test" }, signal);
    await until("its end is seen", () => target.pool().leaving === 0);
    assert.equal(events("exited")[0]?.id, first);
    assert.equal(events("started").length, 0);
  });

  it("those that were told to stop stay leaving, and are not told twice", async (t) => {
    const { stateDir, left } = await killedSupervisor("stubborn.mjs", 0);
    assert.equal(left.existing, 0);
    const rig = await createRig(t, { script: "stubborn.mjs", stateDir, spec: { stopGraceMs: 60_000 } });
    await rig.grow(2);
    await until("both ignore signals", () => rig.staying().every((id) => rig.logOf(id).includes("up")));
    const [first = "", second] = rig.staying();
    await rig.target.apply({ from: 2, to: 1, remove: [first], decision: "test" }, signal);
    await until("it was told", () => rig.logOf(first).includes("no"));
    rig.abandon();
    const next = await createRig(t, { script: "stubborn.mjs", stateDir, spec: { stopGraceMs: 60_000 } });
    assert.deepEqual([next.target.pool().wanted, next.target.pool().existing, next.target.pool().leaving], [1, 1, 1]);
    assert.deepEqual(next.staying(), [second]);
    await until("both count as ready", () => next.target.pool().ready === 1);
    assert.equal(next.logOf(first).match(/no/g)?.length, 1);
    assert.equal(next.events("signalled").length, 0);
  });

  it("one that ends unseen is replaced", async (t) => {
    const { stateDir } = await killedSupervisor("worker.mjs", 2);
    const { target, events } = await createRig(t, { script: "worker.mjs", stateDir });
    const victim = events("adopted")[0];
    process.kill(victim?.pid ?? 0, "SIGKILL");
    await until("another is there", () => events("started").length === 1 && target.pool().existing === 2);
    assert.equal(events("exited")[0]?.id, victim?.id);
  });

  it("they are found without a state file too, and a broken one is put aside and told", { skip: onLinux }, async (t) => {
    const { stateDir, left } = await killedSupervisor("worker.mjs", 3);
    const file = join(stateDir, "pools", "mails.json");
    writeFileSync(file, '{"version":1,"uid":');
    const rig = await createRig(t, { script: "worker.mjs", stateDir });
    assert.equal(rig.said[0], "state file is broken: put aside, started without it");
    assert.equal(readFileSync(`${file}.broken`, "utf8"), '{"version":1,"uid":');
    assert.deepEqual(rig.staying().toSorted(), left.members?.map(({ id }) => id).toSorted());
    rig.abandon();
    rmSync(file);
    const next = await createRig(t, { script: "worker.mjs", stateDir });
    assert.equal(next.target.pool().existing, 3);
  });

  it("those that overwrote their environment with a title are found by their logs", {
    skip: onLinux || withoutPython,
  }, async (t) => {
    const script = "titled.py";
    const command = ["python3", fixture(script)];
    const { stateDir, left } = await killedSupervisor(script, 2, 0, command);
    const ids = left.members?.map(({ id }) => id).toSorted() ?? [];
    const logOf = (id: string) => join(stateDir, "logs", `${id}.log`);
    await until("their environment is gone", () => ids.every((id) => readFileSync(logOf(id), "utf8").includes("titled")));
    rmSync(join(stateDir, "pools", "mails.json"));
    const [spare, notes] = [logOf("mails-7-abcd"), logOf("notes")];
    outsider(t, script, [spare, spare], { args: ["--plain"] });
    outsider(t, script, [spare, spare], { detached: false });
    outsider(t, script, [spare, notes]);
    outsider(t, script, [notes, notes]);
    const told = () => `${readFileSync(spare)}${readFileSync(notes)}`.match(/up|titled/g)?.length;
    await until("all four are up, and three have overwritten theirs", () => told() === 7);
    const rig = await createRig(t, { script, stateDir, spec: { command } });
    assert.deepEqual(rig.staying().toSorted(), ids, "no stranger, whatever it writes to");
    for (const id of ids) assert.equal(rig.logOf(id).match(/^up/gm)?.length, 1);
  });

  it("those that did are found where their output is discarded too, by what they were given to read", {
    skip: onLinux || withoutPython,
  }, async (t) => {
    const script = "titled.py";
    const command = ["python3", fixture(script)];
    const { stateDir, left } = await killedSupervisor(script, 2, 0, command, "Discard");
    const file = join(stateDir, "pools", "mails.json");
    const { members } = JSON.parse(readFileSync(file, "utf8")) as PoolState;
    const isTitled = ({ pid = 0 }) => !readFileSync(`/proc/${pid}/environ`, "utf8").includes("WORKTIDE");
    await until("their environment is gone", () => members.every(isTitled));
    rmSync(file);
    const rig = await createRig(t, { script, stateDir, spec: { command, logs: "Discard" } });
    assert.deepEqual(rig.staying().toSorted(), left.members?.map(({ id }) => id).toSorted());
  });

  it("a child of one that did is waited for when its parent has ended", { skip: onLinux || withoutPython }, async (t) => {
    const script = "titled.py";
    const { stateDir } = await killedSupervisor(script, 1, 0, ["python3", fixture(script), "--child"]);
    const { members } = JSON.parse(readFileSync(join(stateDir, "pools", "mails.json"), "utf8")) as PoolState;
    const [{ pid = 0, log = "" } = {}] = members;
    await until("its environment is gone", () => readFileSync(log, "utf8").includes("titled"));
    process.kill(pid, "SIGTERM");
    await until("the parent has ended", () => processes([pid]).every(({ dead }) => dead));
    const rig = await createRig(t, { script, stateDir, spec: { command: ["python3", fixture(script)] } });
    assert.deepEqual([rig.target.pool().existing, rig.target.pool().leaving], [0, 1]);
    process.kill(-pid, "SIGKILL");
    await until("its end is seen", () => rig.target.pool().leaving === 0);
  });
});

describe("a state file", () => {
  const stateWith = (member: object, boot = bootId()): string => {
    const stateDir = temporaryFolder();
    mkdirSync(join(stateDir, "pools"));
    const members = [{ id: "mails-1-0000", slot: 1, startedAt: clock(), leaving: true, ...member }];
    writeFileSync(
      join(stateDir, "pools", "mails.json"),
      JSON.stringify({ version: 1, uid: "u", boot, wanted: 1, changedAt: 0, members }),
    );
    return stateDir;
  };
  const untouched = async (t: TestContext, stateDir: string): Promise<void> => {
    const { target, events } = await createRig(t, { script: "worker.mjs", stateDir, protect: "grace", spec: { stopGraceMs: 0 } });
    assert.equal(target.pool().members?.length, 0);
    await target.killAll();
    assert.deepEqual([...events("adopted"), ...events("signalled"), ...events("killed")], []);
  };

  it("that names a pid which another program has now makes nobody signal that one", async (t) => {
    const { pid } = stranger(t);
    const start = processes([pid])[0]?.start ?? "";
    await untouched(t, stateWith({ pid, start: `${start}1` }));
    assert.ok(isSame(pid, start), "the stranger lives");
  });

  it("of another boot names nobody, whatever the numbers", async (t) => {
    const { pid } = stranger(t);
    const start = processes([pid])[0]?.start ?? "";
    await untouched(t, stateWith({ pid, start }, "another boot"));
    assert.ok(isSame(pid, start), "the stranger lives");
  });
});
