import { execFile } from "node:child_process";
import { chmod, chown, copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { freePort } from "../../src/services/free-port.ts";
import { findPostgres, isRoot, type PostgresProgram } from "./postgresql-program.ts";
import { killServer, type StartOptions, startServer, type TestDatabase } from "./sql-server.ts";

const run = promisify(execFile);

/** Why there is no PostgreSQL for tests; false where there is one. */
export async function skipWithoutPostgres(): Promise<string | false> {
  const found = await findPostgres();
  return "missing" in found ? found.missing : false;
}

/** Nobody's: servers of tests run as that user where we are root. */
const uid = isRoot ? 65_534 : undefined;
const password = "c4n4ry/p@ss word";

/** A certificate, its key, and whose certificates the user `certified` has to show: PEM files. */
export type ServerFiles = Readonly<{ certFile: string; keyFile: string; caFile: string }>;

/** Starts one; `await using` or {@link TestDatabase.stop} ends it. `more` are lines of postgresql.conf. */
export async function startPostgres(more: readonly string[] = [], tls?: ServerFiles): Promise<TestDatabase> {
  const found = await findPostgres();
  if ("missing" in found) throw new Error(found.missing);
  const { program } = found;
  const dir = await mkdtemp(join(tmpdir(), "worktide-postgresql-"));
  const data = join(dir, "data");
  await makeCluster(program, dir, data);
  const settings = [...more, ...(tls ? await showing(tls, dir, data) : [])];
  const port = await freePort();
  const set = (...more: readonly string[]) => [...base(port), ...settings, ...more].flatMap((line) => ["-c", line]);
  const options = (more: readonly string[] = []): StartOptions => ({
    file: join(program.bin, "postgres"),
    args: ["-D", data, ...set(...more)],
    env: environment(program),
    up: /ready to accept (read-only )?connections/,
    ...(uid !== undefined && { uid }),
  });
  let server = await startServer(options());
  const address = { host: "127.0.0.1", port, user: "worktide", password };
  const stop = async () => {
    await killServer(server);
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  const sql: TestDatabase["sql"] = (...texts) => ask({ ...address, database: "shop" }, texts);
  await ask({ ...address, database: "postgres" }, ["CREATE DATABASE shop"]);
  return {
    port,
    url: `postgresql://worktide@127.0.0.1:${port}/shop`,
    password,
    sql,
    stop,
    [Symbol.asyncDispose]: stop,
    kill9: () => killServer(server),
    async restart(changes) {
      await killServer(server);
      server = await startServer(options(changes));
    },
    async beStandby(on) {
      await killServer(server);
      const mark = join(data, "standby.signal");
      await (on ? writeFile(mark, "") : rm(mark));
      server = await startServer(options());
    },
    stopProcess: () => server.signal("SIGSTOP"),
    contProcess: () => server.signal("SIGCONT"),
    logTail: () => server.log.join("\n"),
  };
}

/** Only its owner may read a key that PostgreSQL uses. */
async function showing({ certFile, keyFile, caFile }: ServerFiles, dir: string, data: string): Promise<readonly string[]> {
  const own = async (from: string, name: string) => {
    const file = join(dir, name);
    await copyFile(from, file);
    await chmod(file, 0o600);
    if (uid !== undefined) await chown(file, uid, uid);
    return file;
  };
  const [cert, key, ca] = await Promise.all([own(certFile, "server.crt"), own(keyFile, "server.key"), own(caFile, "ca.crt")]);
  const hba = join(data, "pg_hba.conf");
  const rules = "hostssl all certified all scram-sha-256 clientcert=verify-ca\nhost all certified all reject\n";
  await writeFile(hba, rules + (await readFile(hba, "utf8")));
  return ["ssl=on", `ssl_cert_file=${cert}`, `ssl_key_file=${key}`, `ssl_ca_file=${ca}`];
}

const base = (port: number) => [
  `port=${port}`,
  "listen_addresses=127.0.0.1",
  "unix_socket_directories=",
  "fsync=off",
  "jit=off",
  "max_connections=60",
  "shared_buffers=16MB",
  "logging_collector=off",
  "log_destination=stderr",
];

function environment({ libraries }: PostgresProgram): NodeJS.ProcessEnv {
  const { LD_LIBRARY_PATH: before } = process.env;
  const path = [libraries, before].filter(Boolean).join(":");
  return { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC", ...(path !== "" && { LD_LIBRARY_PATH: path }) };
}

async function makeCluster(program: PostgresProgram, dir: string, data: string): Promise<void> {
  const pwfile = join(dir, "pw");
  await writeFile(pwfile, password);
  if (uid !== undefined) for (const path of [dir, pwfile]) await chown(path, uid, uid);
  const login = ["--username=worktide", `--pwfile=${pwfile}`, "--auth=scram-sha-256"];
  const rest = ["-D", data, "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"];
  await run(join(program.bin, "initdb"), [...login, ...rest], {
    env: environment(program),
    cwd: dir,
    ...(uid !== undefined && { uid, gid: uid }),
  });
}

async function ask(address: pg.ClientConfig, texts: readonly string[]) {
  const client = new pg.Client(address);
  client.on("error", () => {});
  await client.connect();
  try {
    let rows: readonly Readonly<Record<string, unknown>>[] = [];
    for (const text of texts) rows = (await client.query(text)).rows ?? [];
    return rows;
  } finally {
    await client.end();
  }
}
