import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Expected, FaultLine } from "../../support/checker/lines.ts";
import { waitFor } from "../../support/wait.ts";
import { ask } from "./ask.ts";
import type { House, Notes, StageOptions } from "./house.ts";
import { documents, expectedOf, type Pool } from "./pools.ts";
import { kill } from "./proc.ts";
import { type Life, live } from "./worktide.ts";

/** What a fault is, without its kind and time. */
export type FaultScope = Omit<FaultLine, "kind" | "t">;

/** The lives of worktide in one stage, one after another, and the file that they run. */
export type Lives = Readonly<{
  life(): Life;
  /** How many there were. */
  runs(): number;
  /** The body of a page of the present one; throws with its last words when it has ended. */
  ask(path: string): Promise<string>;
  text(): string;
  /** Writes the file as it is given, without waiting. */
  write(text: string): Promise<void>;
  /** Puts other rules in force; resolves once they are. */
  edit(pools: readonly Pool[]): Promise<void>;
  /** SIGKILL, and a new one after so long. */
  killAndRestart(downMs?: number): Promise<void>;
  /** SIGKILL; the next one is killed at its `k`th request to `main`, up or not; and a new one after it. */
  killAtRequest(k: number): Promise<void>;
  /** SIGTERM, and a new one when it has gone. */
  restart(): Promise<void>;
  /** SIGTERM, for good. */
  end(): Promise<void>;
  /** All versions of the rules that were ever in force. */
  expected(): Readonly<Record<string, Expected>>;
  historyFile(run: number): string;
}>;

type Versions = { name: string; all: Pool[]; before: Record<number, number> };

/** Starts the first one. `undo` kills the last one, if it still lives. */
export async function beginLives(options: StageOptions, house: House, notes: Notes, undo: AsyncDisposableStack): Promise<Lives> {
  const { note, now } = notes;
  const file = join(house.dir, "worktide.yaml");
  const versions = options.pools.map((pool): Versions => ({ name: pool.name, all: [pool], before: {} }));
  const historyFile = (run: number) => join(house.dir, `history-${run}.jsonl`);
  let text = documents(options.pools, house.around);
  await writeFile(file, text);
  let run = 0;
  let told = false;
  let current: Life | undefined;

  const start = async (spawned?: (pid: number) => void) => {
    run += 1;
    told = false;
    const mine = run;
    for (const { all, before } of versions) before[mine] = all.length - 1;
    const life = await live({
      run,
      args: ["run", "--file", file, "--state", join(house.dir, "state"), "--history", historyFile(run)],
      env: { WORKTIDE_TEST_PASSWORD: house.password, ...options.env },
      ...(spawned && { spawned }),
      said: (line) => note({ kind: "output", t: now(), source: "worktide", text: line }),
    });
    note({ kind: "proc", t: now(), run, event: "ready", expected: true, detail: life.url });
    void life.exited.then((detail) => note({ kind: "proc", t: now(), run: mine, event: "exit", expected: told, detail }));
    current = life;
  };
  const present = () => current ?? assert.fail("worktide is not up yet");
  const tell = (signal: NodeJS.Signals) => {
    told = true;
    kill(present().pid, signal);
  };

  await start();
  undo.defer(async () => {
    tell("SIGKILL");
    await present().exited;
  });

  const during = async (scope: FaultScope, work: () => Promise<void>) => {
    note({ kind: "fault.begin", t: now(), ...scope });
    await work();
    note({ kind: "fault.end", t: now(), ...scope });
  };
  const again = (signal: NodeJS.Signals, process: "kill" | "term", downMs: number) =>
    during({ fault: `worktide ${signal}`, process }, async () => {
      tell(signal);
      await present().exited;
      await pause(downMs);
      await start();
    });

  return {
    life: present,
    runs: () => run,
    historyFile,
    async ask(path) {
      const life = present();
      try {
        return await ask(life.url + path);
      } catch (cause) {
        if (!life.gone()) throw new Error(`asking worktide for ${path}`, { cause });
        throw new Error(`worktide ended (${await life.exited}):\n${life.said.slice(-12).join("\n")}`, { cause });
      }
    },
    text: () => text,
    async write(next) {
      text = next;
      await writeFile(file, next);
    },
    async edit(pools) {
      const { said } = present();
      const heard = said.length;
      text = documents(pools, house.around);
      await writeFile(file, text);
      await waitFor("the edit to be in force", () =>
        said.slice(heard).some((line) => line.includes("the edited file is in force")),
      );
      for (const pool of pools) {
        const version = versions.find(({ name }) => name === pool.name);
        if (version === undefined || JSON.stringify(version.all.at(-1)) === JSON.stringify(pool)) continue;
        const generation = version.all.push(pool) - (version.before[run] ?? 0);
        note({ kind: "spec", t: now(), at: "", run, worker: pool.name, generation, detail: "edited" });
      }
    },
    killAndRestart: (downMs = 0) => again("SIGKILL", "kill", downMs),
    killAtRequest: (k) =>
      during({ fault: `SIGKILL at request ${k}`, process: "kill" }, async () => {
        tell("SIGKILL");
        await present().exited;
        const before = present();
        const dead = Promise.withResolvers<void>();
        const reached = house.proxy.request(k);
        await start((pid) => void reached.then(() => kill(pid, "SIGKILL")).then(dead.resolve)).catch(() => {});
        await dead.promise;
        told = true;
        if (present() !== before) await present().exited;
        await start();
      }),
    restart: () => again("SIGTERM", "term", 0),
    async end() {
      note({ kind: "fault.begin", t: now(), fault: "the end", process: "term" });
      tell("SIGTERM");
      await waitFor("worktide to end after SIGTERM", () => present().gone());
    },
    expected: () => Object.fromEntries(versions.map(({ name, all, before }) => [name, expectedOf(all, before)])),
  };
}
