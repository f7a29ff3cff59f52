import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, glob, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import mysql from "mysql2/promise";
import { freePort } from "../../src/services/free-port.ts";
import { unpackPackages } from "./cluster/node/debian.ts";
import { killServer, startServer, type TestDatabase } from "./sql-server.ts";

/** The server as a command, its messages (and MariaDB's first tables), and where its libraries are, if not where the system looks. */
type Program = Readonly<{ kind: "MariaDB" | "MySQL"; server: readonly [string, ...string[]]; share: string; libraries?: string }>;
type Found = Readonly<{ program: Program } | { missing: string }>;

/** Which one tests run that ask for none: `WORKTIDE_TEST_MYSQL=mysql npm test -- test/*\/mysql.test.ts` takes MySQL itself. */
export const kindOfMysql: Program["kind"] = process.env["WORKTIDE_TEST_MYSQL"] === "mysql" ? "MySQL" : "MariaDB";

const found = new Map<Program["kind"], Promise<Found>>();

/** Why there is no MariaDB, or MySQL, for tests; false where there is one. */
export async function skipWithoutMaria(kind = kindOfMysql): Promise<string | false> {
  const maria = await findMaria(kind);
  return "missing" in maria ? maria.missing : false;
}

/** Installed, else Debian's packages unpacked into the cache folder and not installed; MySQL is in Debian's sid alone. Never throws. */
export function findMaria(kind = kindOfMysql): Promise<Found> {
  const known = found.get(kind) ?? find(kind);
  found.set(kind, known);
  return known;
}

async function find(kind: Program["kind"]): Promise<Found> {
  try {
    return kind === "MySQL" ? await unpackedMysql() : await findMariaDb();
  } catch (error) {
    const why = String(error instanceof Error ? error.message : error).split("\n")[0];
    const name = kind === "MySQL" ? "mysql-server" : "mariadb-server";
    return { missing: `no ${kind}: install ${name}, or run where apt-get knows Debian's mirrors (${why})` };
  }
}

const onProgress = (line: string) => console.error(line);

async function findMariaDb(): Promise<Found> {
  const installed = { kind: "MariaDB", server: ["/usr/sbin/mariadbd"], share: "/usr/share/mysql" } as const;
  if (await exists(join(installed.share, "mysql_system_tables.sql"))) return { program: installed };
  const root = await unpackPackages({ env: process.env, packages: ["mariadb-server-core"], onProgress });
  const server = join(root, "usr/sbin/mariadbd");
  if (!(await exists(server))) return { missing: "Debian's packages hold no MariaDB" };
  const libraries = (await within(root, "usr/lib/*-linux-gnu*")).join(":");
  return { program: { kind: "MariaDB", server: [server], share: join(root, "usr/share/mysql"), libraries } };
}

/** With its own C library, by its own loader: it is newer than this machine's. */
async function unpackedMysql(): Promise<Found> {
  const root = await unpackPackages({ env: process.env, packages: ["mysql-server-core"], whole: true, suite: "sid", onProgress });
  const [loader] = await within(root, "usr/lib/*-linux-gnu*/ld-linux-*.so.*");
  if (loader === undefined) return { missing: "Debian's packages hold no loader" };
  const libraries = (await within(root, "usr/lib/*-linux-gnu*")).join(":");
  const server = [loader, "--library-path", libraries, join(root, "usr/sbin/mysqld")] as const;
  return { program: { kind: "MySQL", server, share: join(root, "usr/share/mysql") } };
}

async function within(root: string, pattern: string): Promise<readonly string[]> {
  const paths: string[] = [];
  for await (const one of glob(pattern, { cwd: root })) paths.push(join(root, one));
  return paths;
}

const password = "c4n4ry/p@ss word";

/** Starts one; `await using` or {@link TestDatabase.stop} ends it. `settings` are options of the server. */
export async function startMaria(settings: readonly string[] = [], kind = kindOfMysql): Promise<TestDatabase> {
  const maria = await findMaria(kind);
  if ("missing" in maria) throw new Error(maria.missing);
  const { program } = maria;
  const dir = await mkdtemp(join(tmpdir(), "worktide-mariadb-"));
  const data = join(dir, "data");
  const env = { ...process.env, ...(program.libraries && { LD_LIBRARY_PATH: program.libraries }) };
  const fixed = ["--no-defaults", `--datadir=${data}`, `--lc-messages-dir=${program.share}`, `--tmpdir=${dir}`];
  const own = [...fixed, ...(process.getuid?.() === 0 ? ["--user=root"] : [])];
  await makeTables(program, own, data, env);
  const first = join(dir, "first.sql");
  const login = `CREATE USER IF NOT EXISTS 'worktide'@'%' IDENTIFIED BY '${password}'; GRANT ALL ON *.* TO 'worktide'@'%' WITH GRANT OPTION;`;
  await writeFile(first, `CREATE DATABASE IF NOT EXISTS shop;\n${login.replaceAll("; ", ";\n")}\n`);
  const port = await freePort();
  const [command, ...before] = program.server;
  const args = (more: readonly string[] = []) => [
    ...[...own, `--port=${port}`, "--bind-address=127.0.0.1", `--socket=${join(dir, "s")}`, `--pid-file=${join(dir, "pid")}`],
    ...(program.kind === "MySQL" ? ["--mysqlx=OFF", "--secure-file-priv=NULL"] : []),
    ...[`--init-file=${first}`, "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0", ...settings, ...more],
  ];
  const begin = (more?: readonly string[]) =>
    startServer({ file: command, args: [...before, ...args(more)], env, up: /ready for connections/ });
  let server = await begin();
  const stop = async () => {
    await killServer(server);
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  return {
    port,
    url: `mysql://worktide@127.0.0.1:${port}/shop`,
    password,
    async sql(...texts) {
      const address = { host: "127.0.0.1", port, user: "worktide", password, database: "shop" };
      const client = await mysql.createConnection(address);
      try {
        let rows: unknown = [];
        for (const one of texts) [rows] = await client.query(one);
        return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
      } finally {
        client.destroy();
      }
    },
    stop,
    [Symbol.asyncDispose]: stop,
    kill9: () => killServer(server),
    async restart(more) {
      await killServer(server);
      server = await begin(more);
    },
    stopProcess: () => server.signal("SIGSTOP"),
    contProcess: () => server.signal("SIGCONT"),
    logTail: () => server.log.join("\n"),
  };
}

/** MySQL's server does that itself; of MariaDB it is what `mariadb-install-db` does, which needs more programs. */
async function makeTables({ kind, server, share }: Program, args: readonly string[], data: string, env: NodeJS.ProcessEnv) {
  const isMysql = kind === "MySQL";
  if (!isMysql) await mkdir(data, { recursive: true });
  const files = isMysql ? [] : ["mysql_system_tables", "mysql_performance_tables", "mysql_system_tables_data"];
  const parts = await Promise.all(files.map((name) => readFile(join(share, `${name}.sql`), "utf8")));
  const [command, ...before] = server;
  const child = spawn(command, [...before, ...args, isMysql ? "--initialize-insecure" : "--bootstrap"], {
    cwd: dirname(data),
    env,
    stdio: ["pipe", "ignore", "pipe"],
  });
  child.stdin.end(isMysql ? "" : ["CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\n", ...parts].join("\n"));
  const said = text(child.stderr);
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`making the first tables of ${kind}: ${(await said).split("\n").slice(-5).join(" · ")}`);
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
