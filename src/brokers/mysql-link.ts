import { isIP, Socket } from "node:net";
import type { Connection, ConnectionOptions } from "mysql2";
import { BrokerError } from "../core/contract.ts";
import { mysqlProblem } from "./mysql-problem.ts";
import { createEnding } from "./session.ts";
import type { Row, Table } from "./sql-client.ts";
import { firstAnswer, maxRows, replicaProblem, type SqlLink, withinBounds } from "./sql-reader.ts";
import type { SqlAddress } from "./sql-settings.ts";
import { type Tls, tlsOptions } from "./tls.ts";

/** Dials, does TLS, logs in and gets a first answer, all before `signal` fires. Throws BrokerError. */
export async function openMysql(address: SqlAddress, tls: Tls | undefined, signal: AbortSignal): Promise<SqlLink> {
  const secrets = address.password === undefined ? [] : [address.password];
  const ssl = await sslOf(address, tls);
  const { createConnection } = await import("mysql2");
  const socket = new Socket();
  const connection = createConnection({
    // Of the host it only makes the name that the certificate must carry.
    host: tls?.serverName ?? address.host,
    user: address.username,
    password: address.password ?? "",
    database: address.database,
    stream: () => socket.connect(address.port, address.host).setNoDelay(true),
    ...(ssl && { ssl }),
    connectTimeout: 0, // the deadline is ours
    multipleStatements: false,
    supportBigNumbers: true,
    dateStrings: true,
    connectAttributes: { program_name: "worktide" },
  });
  const { link, connected } = linkOf(connection, socket, secrets);
  return firstAnswer(link, connected, (error) => mysqlProblem(error, secrets), signal);
}

async function sslOf({ tls: mode, host }: SqlAddress, tls: Tls | undefined): Promise<ConnectionOptions["ssl"]> {
  if (mode === "off") return undefined;
  const { servername: _, ...options } = await tlsOptions(tls);
  if (mode === "unverified") return { ...options, rejectUnauthorized: false };
  if (tls?.serverName === undefined && isIP(host) !== 0) {
    throw new BrokerError({
      kind: "tls",
      message: "certificates carry names: set `tls.serverName`, or dial the server by its name",
    });
  }
  return { ...options, verifyIdentity: true } as never;
}

function linkOf(connection: Connection, socket: Socket, secrets: readonly string[]) {
  const { promise: connected, resolve: isUp, reject: isDown } = Promise.withResolvers<void>();
  connected.catch(() => {});
  /** Of what is asked on a connection that is destroyed then, mysql2 tells nobody. */
  const waiting = new Set<(error: BrokerError) => void>();
  const ending = createEnding((why) => {
    isDown(new BrokerError(why));
    for (const reject of waiting) reject(new BrokerError(why));
    connection.destroy();
    socket.destroy();
  });
  const { gone, throwIfGone, destroy } = ending;
  connection.on("error", (error) => destroy(mysqlProblem(error, secrets)));
  connection.on("end", () => destroy());
  socket.on("close", () => destroy());
  connection.on("connect", () => isUp());

  const query = async (sql: string): Promise<Table> => {
    throwIfGone();
    const { promise, resolve: found, reject } = Promise.withResolvers<Table>();
    waiting.add(reject);
    connection.query(sql, (error, rows, fields: readonly { name: string }[] | undefined) => {
      waiting.delete(reject);
      if (error) reject(new BrokerError(gone() ?? mysqlProblem(error, secrets)));
      else found({ columns: (fields ?? []).map(({ name }) => name), rows: Array.isArray(rows) ? (rows as Row[]) : [] });
    });
    return withinBounds(promise, socket, destroy);
  };

  let limitOf: (ms: number) => string = () => "";
  let limitMs = 0;
  const limit = async (ms: number) => {
    if (limitMs !== ms) await query(limitOf(ms));
    limitMs = ms;
  };
  let statementMs = 1000;
  const epoch = crypto.randomUUID();
  const link: SqlLink = {
    ...ending,
    async begin(ms) {
      statementMs = ms;
      const { rows } = await query("SELECT @@global.read_only AS readOnly, VERSION() AS version");
      const [server] = rows;
      if (!["0", "OFF"].includes(String(server?.["readOnly"]))) throw new BrokerError(replicaProblem);
      const isMaria = /MariaDB/i.test(String(server?.["version"]));
      limitOf = (one) => {
        const time = isMaria ? `max_statement_time = ${one / 1000}` : `max_execution_time = ${Math.ceil(one)}`;
        return `SET SESSION ${time}, SESSION sql_select_limit = ${maxRows + 1}`;
      };
      await limit(ms);
      await query("START TRANSACTION READ ONLY");
      // Not kept anywhere that all versions tell: a connection knows one server only.
      return epoch;
    },
    limit,
    query,
    recover: () => limit(statementMs),
    end: async () => void (await query("COMMIT")),
  };
  return { link, connected };
}
