import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@redis/client";
import type { Constants, Line } from "../../support/checker/lines.ts";
import { startProxy, type TestProxy } from "../../support/proxy.ts";
import { startRedis, type TestRedis } from "../../support/redis.ts";
import type { TestDatabase } from "../../support/sql-server.ts";
import { listOf, type Pool, type Surroundings, streamOf } from "./pools.ts";

export type StageOptions = Readonly<{
  pools: readonly Pool[];
  /** More arguments for the Redis that has the faults. */
  redisArgs?: readonly string[];
  constants?: Partial<Constants>;
  /** More environment for worktide. */
  env?: Readonly<Record<string, string>>;
  workerEnv?: Readonly<Record<string, string>>;
  /** Lists of the faulty Redis begin empty: many pools and no processes. */
  empty?: boolean;
  /** Where `main` leads instead of through the proxy, and the port of a server at which the truth of its queues can be asked. */
  main?: Readonly<{ redis: object; truthPort: (pool: string) => number }>;
  /** `main` leads to this PostgreSQL instead, through the proxy too; pools of it are of kind `table` or `rows`. */
  database?: TestDatabase;
  /** Instead of Redis `main` is something else, behind the same proxy. */
  elsewhere?: Elsewhere;
  /** The password comes from {@link House.passwordPath} instead of the environment. */
  passwordFile?: boolean;
}>;

/** A service that is not Redis: where it listens, what a QueueConnection says of it, and how many jobs truly wait there. */
export type Elsewhere = Readonly<{
  port: () => number;
  spec: (port: number) => object;
  waiting: (pool: string) => number | Promise<number>;
}>;

/** What the test itself recorded; all recorders share one clock, monotonic ms. */
export type Notes = Readonly<{ lines: readonly Line[]; note: (line: Line) => void; now: () => number }>;

export function createNotes(): Notes {
  const lines: Line[] = [];
  return { lines, note: (line) => void lines.push(line), now: () => Number(process.hrtime.bigint()) / 1e6 };
}

const connect = (url: string) =>
  createClient({ url, disableOfflineQueue: true, commandOptions: { timeout: 0 } }).on("error", () => {});

/** A connection of the test's own. It comes back by itself; while it is away, what is asked fails at once. */
export type Admin = ReturnType<typeof connect>;

/** The services and files of one stage. */
export type House = Readonly<{
  dir: string;
  /** Leaves the folder when the stage is taken down. */
  keepDir: () => void;
  journal: string;
  redis: TestRedis;
  proxy: TestProxy;
  database: TestDatabase | undefined;
  /** Straight to the Redis that has the faults, as its default user. */
  admin: Admin;
  /** The one that leads to the queue of this pool. */
  adminOf: (pool: Pool) => Admin;
  password: string;
  passwordPath: string;
  around: Surroundings;
  /** How many jobs wait in a queue elsewhere. */
  waitingElsewhere: (pool: string) => Promise<number>;
}>;

/** Puts jobs into the table that pools of kind `table` and `rows` count. */
export const insertJobs = (queue: string, jobs: readonly object[]): string =>
  `INSERT INTO jobs (queue, data) VALUES ${jobs.map((data) => `('${queue}', '${JSON.stringify(data)}')`).join(", ")}`;

async function fillStream(admin: Admin, key: string): Promise<void> {
  await admin.xGroupCreate(key, "workers", "0", { MKSTREAM: true });
  for (let n = 0; n < 3; n++) await admin.xAdd(key, "*", { n: String(n) });
}

const debugArgs = ["--enable-debug-command", "local", "--enable-protected-configs", "local"];

/** Starts a Redis for the faults, a proxy before it, and one that stays well. What it opens goes with `undo`. */
export async function openHouse(options: StageOptions, { note, now }: Notes, undo: AsyncDisposableStack): Promise<House> {
  const dir = await mkdtemp(join(tmpdir(), "worktide-faults-"));
  let kept = false;
  undo.defer(async () => (kept ? undefined : rm(dir, { recursive: true, force: true })));
  const { database } = options;
  const password = database?.password ?? `c4n4ry/${crypto.randomUUID()}`;
  // By the command line, so that the user is there again after a restart.
  const user = ["--user", "worktide", "on", `>${password}`, "~*", "&*", "+@all"];
  const redis = undo.use(await startRedis({ args: [...debugArgs, ...user, ...(options.redisArgs ?? [])] }));
  const steady = undo.use(await startRedis());
  const proxy = undo.use(
    await startProxy(options.elsewhere?.port ?? (() => database?.port ?? redis.port), () =>
      note({ kind: "dial", t: now(), connection: "main" }),
    ),
  );
  const admin = connect(redis.url);
  const steadyAdmin = connect(steady.url);
  undo.defer(() => admin.destroy());
  undo.defer(() => steadyAdmin.destroy());
  await Promise.all([admin.connect(), steadyAdmin.connect()]);
  const others = new Map<number, Admin>();
  const adminAt = (port: number): Admin => {
    const known = others.get(port);
    if (known !== undefined) return known;
    const other = connect(`redis://127.0.0.1:${port}`);
    others.set(port, other);
    undo.defer(() => other.destroy());
    return other;
  };
  const adminOf = ({ connection, name }: Pool) => {
    if (connection === "steady") return steadyAdmin;
    return options.main ? adminAt(options.main.truthPort(name)) : admin;
  };
  for (const pool of options.pools) {
    if (options.empty && pool.connection === "main") continue;
    if (pool.kind === "rows")
      await database?.sql(
        insertJobs(
          pool.name,
          Array.from({ length: 3 }, () => ({})),
        ),
      );
    const to = adminOf(pool);
    if (!to.isOpen) await to.connect();
    if (pool.kind === "list") await to.rPush(listOf(pool.name), ["1", "2", "3"]);
    if (pool.kind === "stream") await fillStream(to, streamOf(pool.name));
  }
  const journal = join(dir, "journal.jsonl");
  await writeFile(journal, "");
  const passwordPath = join(dir, "password");
  await writeFile(passwordPath, password);
  const around: Surroundings = {
    ...(options.main && { main: options.main.redis }),
    ...(database && { database: true }),
    ...(options.elsewhere && { elsewhere: options.elsewhere.spec(proxy.port) }),
    passwordFrom: options.passwordFile ? { file: passwordPath } : { env: "WORKTIDE_TEST_PASSWORD" },
    mainPort: proxy.port,
    steadyPort: steady.port,
    redisUrl: redis.url,
    journal,
    // Where no job may begin twice, no lock may lapse since the machine was busy.
    env: { ...(options.constants?.duplicates === "fail" && { LOCK_MS: "30000" }), ...options.workerEnv },
  };
  const keepDir = () => {
    kept = true;
  };
  const waitingElsewhere = async (pool: string) => (await options.elsewhere?.waiting(pool)) ?? 0;
  return { dir, keepDir, journal, redis, proxy, database, admin, adminOf, password, passwordPath, around, waitingElsewhere };
}
