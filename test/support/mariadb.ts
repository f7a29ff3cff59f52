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

/** The server, its messages and first tables, and where its libraries are, if not where the system looks. */
type MariaProgram = Readonly<{ server: string; share: string; libraries?: string }>;
let found: Promise<Readonly<{ program: MariaProgram } | { missing: string }>> | undefined;

/** Why there is no MariaDB for tests; false where there is one. */
export async function skipWithoutMaria(): Promise<string | false> {
  const maria = await findMaria();
  return "missing" in maria ? maria.missing : false;
}

/** Installed, else Debian's packages unpacked into the cache folder and not installed. Never throws. */
export function findMaria() {
  found ??= find();
  return found;
}

async function find(): Promise<Readonly<{ program: MariaProgram } | { missing: string }>> {
  const installed = { server: "/usr/sbin/mariadbd", share: "/usr/share/mysql" };
  if (await exists(join(installed.share, "mysql_system_tables.sql"))) return { program: installed };
  try {
    const onProgress = (line: string) => console.error(line);
    const root = await unpackPackages({ env: process.env, packages: ["mariadb-server-core"], onProgress });
    const libraries: string[] = [];
    for await (const folder of glob("usr/lib/*-linux-gnu*", { cwd: root })) libraries.push(join(root, folder));
    const program = {
      server: join(root, "usr/sbin/mariadbd"),
      share: join(root, "usr/share/mysql"),
      libraries: libraries.join(":"),
    };
    return (await exists(program.server)) ? { program } : { missing: "Debian's packages hold no MariaDB" };
  } catch (error) {
    const why = String(error instanceof Error ? error.message : error).split("\n")[0];
    return { missing: `no MariaDB: install mariadb-server, or run where apt-get knows Debian's mirrors (${why})` };
  }
}

const password = "c4n4ry/p@ss word";

/** Starts one; `await using` or {@link TestDatabase.stop} ends it. `settings` are options of the server. */
export async function startMaria(settings: readonly string[] = []): Promise<TestDatabase> {
  const maria = await findMaria();
  if ("missing" in maria) throw new Error(maria.missing);
  const { program } = maria;
  const dir = await mkdtemp(join(tmpdir(), "worktide-mariadb-"));
  const data = join(dir, "data");
  const env = { ...process.env, ...(program.libraries && { LD_LIBRARY_PATH: program.libraries }) };
  const fixed = ["--no-defaults", `--datadir=${data}`, `--lc-messages-dir=${program.share}`, `--tmpdir=${dir}`];
  const own = [...fixed, ...(process.getuid?.() === 0 ? ["--user=root"] : [])];
  await makeTables(program, [...own, "--bootstrap"], data, env);
  const first = join(dir, "first.sql");
  const login = `CREATE USER IF NOT EXISTS 'worktide'@'%' IDENTIFIED BY '${password}'; GRANT ALL ON *.* TO 'worktide'@'%' WITH GRANT OPTION;`;
  await writeFile(first, `CREATE DATABASE IF NOT EXISTS shop;\n${login.replaceAll("; ", ";\n")}\n`);
  const port = await freePort();
  const args = (more: readonly string[] = []) => [
    ...[...own, `--port=${port}`, "--bind-address=127.0.0.1", `--socket=${join(dir, "s")}`, `--pid-file=${join(dir, "pid")}`],
    ...[`--init-file=${first}`, "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0", ...settings, ...more],
  ];
  const begin = (more?: readonly string[]) =>
    startServer({ file: program.server, args: args(more), env, up: /ready for connections/ });
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

/** What `mariadb-install-db` does, which needs more programs. */
async function makeTables({ server, share }: MariaProgram, args: readonly string[], data: string, env: NodeJS.ProcessEnv) {
  await mkdir(data, { recursive: true });
  const files = ["mysql_system_tables", "mysql_performance_tables", "mysql_system_tables_data"];
  const parts = await Promise.all(files.map((name) => readFile(join(share, `${name}.sql`), "utf8")));
  const child = spawn(server, args, { cwd: dirname(data), env, stdio: ["pipe", "ignore", "pipe"] });
  child.stdin.end(["CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\n", ...parts].join("\n"));
  const said = text(child.stderr);
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`making the first tables of MariaDB: ${(await said).split("\n").slice(-5).join(" · ")}`);
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
