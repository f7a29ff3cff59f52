import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { heldThroughCertificates, type TlsServer } from "../faults/support/certificates.ts";
import { dialFaults, heldThroughAll } from "../faults/support/elsewhere.ts";
import { pool } from "../faults/support/pools.ts";
import { calm, heldDuring } from "../faults/support/scenario.ts";
import { type Stage, setStage } from "../faults/support/stage.ts";
import { skipWithoutPostgres, startPostgres } from "../support/postgresql.ts";
import type { TestCerts } from "../support/redis-topologies.ts";
import { signalOne, type TestDatabase } from "../support/sql-server.ts";
import type { ServerCert } from "../support/tls-proxy.ts";
import { waitFor } from "../support/wait.ts";

/** Longer than the deadline of a reading, so that each fault is noticed. */
const longMs = 3500;
const onMain = { connection: "main" } as const;
const skip = await skipWithoutPostgres();

/** Three workers with jobs in hand, and a pool that has no brake but the readings. */
const mails = pool("mails", { kind: "table", min: 1 });
const backlog = pool("backlog", { kind: "rows", waitingPerReplica: 1, also: true });

type Fault = Readonly<{
  fault: string;
  /** Its size in the end does not follow from the backlog: data that changed identity and fell is held for a minute. */
  maybeHeld?: boolean;
  /** Another connection reads on meanwhile. */
  readable?: boolean;
}>;

/** One fault: nothing is lowered meanwhile, all jobs are done afterwards, and no invariant was broken at any moment. */
async function whileBusy(
  { fault, maybeHeld = false, readable = false }: Fault,
  during: (stage: Stage, database: TestDatabase) => Promise<unknown>,
): Promise<void> {
  await using database = await startPostgres();
  await database.sql(
    "CREATE TABLE jobs (id bigserial PRIMARY KEY, queue text NOT NULL, holder text, data jsonb NOT NULL)",
    `CREATE USER watcher PASSWORD '${database.password}'`,
    "GRANT SELECT ON jobs TO watcher",
  );
  const login = `worktide:${encodeURIComponent(database.password)}@127.0.0.1:${database.port}`;
  const workerEnv = { DATABASE_URL: `postgresql://${login}/shop` };
  await using stage = await setStage({ pools: [mails, backlog, calm], database, workerEnv, passwordFile: true });
  await stage.settles("calm", 1);
  await stage.settles("backlog", 3);
  await stage.occupied("mails", 9, 900);
  await stage.fault({ fault, ...onMain, ...(readable ? { readable } : { outage: true }) }, () => during(stage, database));
  await stage.sees("mails", undefined);
  await stage.drained();
  if (!maybeHeld) await stage.settles("mails", 1);
  await stage.settles("backlog", 3);
  const verdict = await stage.judge();
  heldDuring(verdict, fault);
  const failed = verdict.lines.some((line) => line.kind === "read" && line.trigger === "mails" && "problem" in line.result);
  assert.ok(failed, "the fault was noticed");
  saidOnce(stage.life().said);
}

/** An outage is one line for each reason in a row, however long it lasts. */
function saidOnce(said: readonly string[]): void {
  const states = said.flatMap((line) => {
    if (!line.includes('"connection":"default/main"') || line.includes('"msg":"a queue is not known"')) return [];
    return /"msg":"connected"/.test(line) ? ["up"] : (/"problem":"(\w+)"/.exec(line)?.[1] ?? []);
  });
  const again = states.filter((state, i) => state === states[i - 1]);
  assert.deepEqual(again, [], states.join(" "));
}

const ours = async (database: TestDatabase) => {
  const rows = await database.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'worktide'");
  return rows.map(({ pid }) => Number(pid));
};
const endOurs = (database: TestDatabase) =>
  database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'worktide'");

suite("PostgreSQL goes wrong while workers have jobs in hand", { concurrency: 3, skip }, () => {
  test("killed, and started again with its data: workers and we come back (rows 1, 5)", () =>
    whileBusy({ fault: "kill -9", maybeHeld: true }, async (stage, database) => {
      await database.kill9();
      await stage.sees("mails", "unreachable");
      await pause(longMs);
      await database.restart();
    }));

  test("stopped: TCP lives on and nothing answers (row 4)", () =>
    whileBusy({ fault: "SIGSTOP" }, async (stage, database) => {
      database.stopProcess();
      await stage.sees("mails", "timeout");
      await pause(longMs);
      database.contProcess();
    }));

  test("one backend is frozen: the connection is given up, and a new one reads on (row 4)", () =>
    whileBusy({ fault: "frozen backend", readable: true }, async (stage, database) => {
      const frozen = await ours(database);
      for (const pid of frozen) signalOne(pid, "SIGSTOP");
      try {
        const isNew = async () => (await ours(database)).some((pid) => !frozen.includes(pid));
        await waitFor("another backend", isNew);
        await stage.sees("mails", undefined);
      } finally {
        for (const pid of frozen) signalOne(pid, "SIGCONT");
      }
    }));

  test("a half-open connection is dropped at the deadline, and a new one works (row 4)", () =>
    whileBusy({ fault: "half-open", readable: true }, async (stage) => {
      const before = stage.proxy.dials();
      await stage.proxy.set({ kind: "freeze" });
      await waitFor("another connection", () => stage.proxy.dials() > before);
      await stage.sees("mails", undefined);
    }));

  test("slow: each answer takes longer than a reading may (row 42)", () =>
    whileBusy({ fault: "slow" }, async (stage) => {
      await stage.proxy.set({ kind: "delay", ms: 2500 });
      await stage.sees("mails", "timeout");
      await pause(longMs);
      await stage.proxy.set({ kind: "pass" });
    }));

  test("the password is changed under us: unknown, held, and back with the new one (rows 16, 27)", () =>
    whileBusy({ fault: "wrong password" }, async (stage, database) => {
      const another = `an0ther/${crypto.randomUUID()}`;
      await database.sql(`ALTER USER watcher PASSWORD '${another}'`);
      await endOurs(database);
      await stage.sees("mails", "auth");
      await pause(longMs);
      await writeFile(stage.passwordPath, another);
      await stage.sees("mails", undefined);
    }));

  test("a lock makes the query hang: ended by the server, unknown, held (rows 42, 57)", () =>
    whileBusy({ fault: "statement timeout" }, async (stage, database) => {
      const locked = database.sql("BEGIN", "LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE", "SELECT pg_sleep(3600)");
      const ended = assert.rejects(locked, /terminating connection/);
      await stage.sees("mails", "timeout");
      await pause(longMs);
      await database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(3600)'");
      await ended;
    }));

  test("it becomes a standby, and the primary again: its numbers may be old (rows 45, 57)", () =>
    whileBusy({ fault: "standby", maybeHeld: true }, async (stage, database) => {
      await database.beStandby?.(true);
      await stage.sees("mails", "replica");
      await pause(longMs);
      await database.beStandby?.(false);
    }));

  test("no connection is left for us: unknown, held, and back when one is (rows 15, 81)", () =>
    whileBusy({ fault: "too many connections" }, async (stage, database) => {
      await database.sql("ALTER USER watcher CONNECTION LIMIT 0");
      await endOurs(database);
      await stage.sees("mails", "limit");
      await pause(longMs);
      await database.sql("ALTER USER watcher CONNECTION LIMIT -1");
    }));

  test("it shows a certificate that is not to be trusted: named, held, and read again without a restart (row 43)", (t) =>
    heldThroughCertificates(t, {
      serve: postgresOverTls,
      spec: (port, tls) => ({
        postgresql: {
          url: `postgresql://worktide@127.0.0.1:${port}/shop`,
          passwordFrom: { file: join(dirname(tls.caFile), "password") },
          tls,
        },
      }),
      trigger: { postgresql: { query: "SELECT count(*) FROM backlog" } },
    }));

  test("mute, cut off, without a name, without its table or a number of it: held (rows 30, 31, 40, 41, 54)", async () => {
    await using database = await startPostgres();
    await using undo = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), "worktide-password-"));
    undo.defer(() => rm(folder, { recursive: true }));
    const passwordPath = join(folder, "password");
    await writeFile(passwordPath, database.password, { mode: 0o600 });
    await database.sql("CREATE TABLE backlog (id int)", "INSERT INTO backlog VALUES (1), (2), (3)");
    await database.sql("CREATE TABLE sign (factor int)", "INSERT INTO sign VALUES (1)");
    let waiting = 3;
    const odd = (name: string, sees: "missing" | "invalid", begin: string, end: string) => ({
      ...{ name, sees, outage: false },
      begin: () => database.sql(begin),
      end: () => database.sql(end),
    });
    await heldThroughAll({
      source: {
        port: () => database.port,
        spec: (port) => ({
          postgresql: { url: `postgresql://worktide@127.0.0.1:${port}/shop`, passwordFrom: { file: passwordPath } },
        }),
        waiting: () => waiting,
      },
      trigger: { postgresql: { query: "SELECT count(*) * (SELECT factor FROM sign) FROM backlog" } },
      faults: [
        ...dialFaults,
        odd("no table", "missing", "ALTER TABLE backlog RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO backlog"),
        odd("less than nothing", "invalid", "UPDATE sign SET factor = -1", "UPDATE sign SET factor = 1"),
        odd("NULL", "invalid", "UPDATE sign SET factor = NULL", "UPDATE sign SET factor = 1"),
      ],
      async shorten() {
        waiting = 1;
        await database.sql("DELETE FROM backlog WHERE id > 1");
      },
    });
  });
});

/** A certificate of PostgreSQL is what its files hold when it is told to read them again. */
async function postgresOverTls({ caFile }: TestCerts, { cert, key }: ServerCert): Promise<TlsServer> {
  const [certFile, keyFile] = ["crt", "key"].map((end) => join(dirname(caFile), `shown.${end}`)) as [string, string];
  await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)]);
  const database = await startPostgres([], { caFile, certFile, keyFile });
  await writeFile(join(dirname(caFile), "password"), database.password, { mode: 0o600 });
  await database.sql("CREATE TABLE backlog (id int)", "INSERT INTO backlog VALUES (1), (2), (3)");
  const [files] = await database.sql("SELECT current_setting('ssl_cert_file') AS cert, current_setting('ssl_key_file') AS key");
  return {
    port: database.port,
    async show(shown) {
      await writeFile(String(files?.["cert"]), shown.cert);
      await writeFile(String(files?.["key"]), shown.key);
      await database.sql("SELECT pg_reload_conf()");
      await endOurs(database);
    },
    [Symbol.asyncDispose]: database.stop,
  };
}
