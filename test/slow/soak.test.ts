// Scale-downs under load. Short with `npm run test:all`; WORKTIDE_SOAK=1000 takes so many workers away.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { readDeclared } from "../../src/cli/declared.ts";
import { type House, type Life, openHouse } from "../cli/house.ts";
import { tail } from "../cli/tail.ts";
import { createTaskSender } from "../support/celery-tasks.ts";
import { check, describe as inWords } from "../support/checker/check.ts";
import { type History, historyOf, poolOf } from "../support/checker/history.ts";
import { duplicates, jobRuns } from "../support/checker/jobs.ts";
import { type Line, parseLines } from "../support/checker/lines.ts";
import { findPython } from "../support/python.ts";
import { patienceMs, waitFor } from "../support/wait.ts";

/** Workers to be taken away in all; of five, one is a Celery worker. */
const goal = Number(process.env["WORKTIDE_SOAK"] ?? 60);
/** Several times what it takes on a machine that is busy. */
const longestMs = Math.max(360_000, goal * 2000);
const python = await findPython();
const workersFolder = fileURLToPath(new URL("../support/workers/", import.meta.url));

/** One pool and its swinging load. */
type Swing = Readonly<{
  pool: string;
  goal: number;
  most: number;
  /** Sends jobs of these lengths; resolves with their ids. */
  send: (durations: readonly number[]) => Promise<readonly string[]>;
  /** Workers taken away so far, by pool. */
  gone: () => ReadonlyMap<string, number>;
}>;

describe("scale-down under load", { timeout: longestMs + 4 * patienceMs }, () => {
  let house: House;
  before(async () => {
    house = await openHouse();
  });
  after(() => house[Symbol.asyncDispose]());

  it(`interrupts, loses and repeats no job while ${goal} workers are taken away`, async (t) => {
    const mails = house.nameOf("mails");
    const reports = house.nameOf("reports");
    const celery = "python" in python;
    const gone = countRemovals(house);
    const documents = [house.connection(), house.pool(mails, { max: 14, min: 1, env: { LOCK_MS: "30000" } })];
    const swings: Swing[] = [
      {
        pool: mails,
        goal: celery ? Math.round(goal * 0.8) : goal,
        most: 14,
        gone,
        send: (durations) => house.addEach(mails, durations),
      },
    ];
    await using stack = new AsyncDisposableStack();
    if (celery) {
      documents.push(celeryPool(house, reports, python.python));
      const sender = stack.use(await createTaskSender(python.python, house.redis.url, reports));
      swings.push({ pool: reports, goal: goal - Math.round(goal * 0.8), most: 6, gone, send: sender.send });
    } else t.diagnostic(`without the Celery pool: ${python.missing}`);
    await house.write(...documents);
    const began = performance.now();
    const life = await house.run(["--history", join(house.folder, "history.jsonl")]);
    const lines: Line[] = [{ kind: "proc", t: now(), run: 1, event: "ready", expected: true, detail: "" }];

    const asked = await Promise.all(swings.map((swing) => swingUntil(swing, house)));
    const removed = gone();
    const done = () => swings.reduce((sum, { pool }) => sum + house.done(pool), 0);
    await waitFor("every job done", () => done() >= asked.flat().length, 3 * patienceMs);
    await end(life, lines);

    const own = parseLines(await readFile(join(house.folder, "history.jsonl"), "utf8"), 1);
    lines.push(...own, ...sizes(own), ...parseLines(await readFile(house.journal, "utf8")));
    const rules = readDeclared(house.file, { cwd: house.folder }).workers;
    const plan = {
      workers: Object.fromEntries(rules.map(({ name, rules }) => [name, { rules: [rules], connections: { [name]: "main" } }])),
      constants: { duplicates: "fail", slackMs: 15_000, writeMs: 20_000, transitionMs: 20_000 },
    } as const;
    const history = historyOf(lines, plan);
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    const perPool = swings.map(({ pool }) => `${pool} ${removed.get(pool) ?? 0}`).join(", ");
    t.diagnostic(
      `${perPool} workers taken away, ${underLoad(history)} of them while others of the pool had jobs in hand; ` +
        `${asked.flat().length} jobs in ${seconds} s; ${duplicates(history)} began twice`,
    );

    assert.deepEqual(
      lines.filter(({ kind }) => kind === "job.killed"),
      [],
      "no job was cut off",
    );
    assert.deepEqual(house.unfair(), [], "every job that began ended, once");
    const ended = new Set(lines.flatMap((line) => (line.kind === "job.end" ? [line.job] : [])));
    assert.deepEqual(
      asked.flat().filter((id) => !ended.has(id)),
      [],
      "no job was lost",
    );
    assert.equal(own.filter((line) => line.kind === "member" && line.event === "killed").length, 0, "nobody had to be killed");
    assert.equal(inWords(check(lines, plan)), "");
    for (const { pool } of swings) assert.deepEqual(house.alive(pool), []);
  });
});

const now = () => Number(process.hrtime.bigint()) / 1e6;

function celeryPool(house: House, name: string, python: string): string {
  house.owns(name);
  const command = [python, "-m", "celery", "-A", "tasks", "worker", "-n", "${WORKTIDE_WORKER_ID}@soak", "--queues", name];
  const lean = ["--concurrency", "1", "--prefetch-multiplier", "1", "--without-gossip", "--without-mingle"];
  const env = {
    WORKTIDE_TEST_JOURNAL: house.journal,
    REDIS_URL: house.redis.url,
    PYTHONDONTWRITEBYTECODE: "1",
    C_FORCE_ROOT: "1",
  };
  return house.document("ScaledWorker", name, {
    target: { process: { command: [...command, ...lean], cwd: dirname(join(workersFolder, "tasks.py")), env, logs: "File" } },
    replicas: { min: 1, max: 6 },
    triggers: [{ name, connection: "main", celery: { queues: [name] }, goal: { jobsPerReplica: 1 }, every: "250ms" }],
    scaleDown: { cooldown: "0s" },
    behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
  });
}

/** Sends bursts of short and long jobs: the pool shrinks while the long ones are still in hand. Gives the ids of all. */
async function swingUntil({ pool, goal, most, send, gone }: Swing, house: House): Promise<readonly string[]> {
  const began = performance.now();
  const ids: string[] = [];
  while ((gone().get(pool) ?? 0) < goal) {
    if (performance.now() - began > longestMs) throw new Error(`${pool} shrank too seldom in ${longestMs} ms`);
    const size = Math.ceil(most * (0.6 + 0.4 * Math.random()));
    const lengths = Array.from({ length: size }, (_, index) => (index < 2 ? 1000 : 50 + 400 * Math.random()));
    ids.push(...(await send(lengths.map(Math.round))));
    const open = Math.ceil(2 * Math.random());
    await waitFor("the burst to be nearly done", () => ids.length - house.done(pool) <= open, 3 * patienceMs);
    await pause(200 * Math.random());
  }
  return ids;
}

/** How many workers each pool was told to stop so far. */
function countRemovals(house: House): () => ReadonlyMap<string, number> {
  const lines = tail(join(house.folder, "history.jsonl"), (text) => parseLines(text).filter(({ kind }) => kind === "member"));
  return () => {
    const counts = new Map<string, number>();
    for (const line of lines()) {
      if (line.kind === "member" && line.event === "signalled") counts.set(line.worker, (counts.get(line.worker) ?? 0) + 1);
    }
    return counts;
  };
}

/** Who was there after each start, stop and end: the checker counts jobs of those that leave apart. */
function sizes(own: readonly Line[]): readonly Line[] {
  const pools = new Map<string, Map<string, boolean>>();
  return own.flatMap((line): Line[] => {
    if (line.kind !== "member") return [];
    const { worker, id, event, t } = line;
    const pool = pools.get(worker) ?? new Map<string, boolean>();
    pools.set(worker, pool);
    if (event === "started") pool.set(id, false);
    if (event === "signalled") pool.set(id, true);
    if (event === "exited") pool.delete(id);
    const leaving = [...pool].flatMap(([member, leaves]) => (leaves ? [member] : []));
    return [{ kind: "obs", t, worker, alive: [...pool.keys()], leaving }];
  });
}

/** Workers that were told to stop while a job was in hand in their pool. */
function underLoad(history: History): number {
  const runs = jobRuns(history);
  return history
    .of("member")
    .filter(
      ({ event, worker, t }) =>
        event === "signalled" &&
        runs.some(({ start, end }) => poolOf(start.worker) === worker && start.t < t && (end?.t ?? t) > t),
    ).length;
}

async function end(life: Life, lines: Line[]): Promise<void> {
  life.signal("SIGTERM");
  assert.equal(await life.exited, 0);
  lines.push({ kind: "proc", t: now(), run: 1, event: "exit", expected: true, detail: "code 0" });
}
