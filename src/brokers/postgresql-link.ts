import { Socket } from "node:net";
import { checkServerIdentity } from "node:tls";
import type { Client } from "pg";
import { BrokerError } from "../core/contract.ts";
import type { Channels } from "./postgresql-channels.ts";
import { postgresProblem } from "./postgresql-problem.ts";
import { createEnding } from "./session.ts";
import type { Row } from "./sql-client.ts";
import { firstAnswer, maxRows, replicaProblem, type SqlLink, withinBounds } from "./sql-reader.ts";
import type { SqlAddress } from "./sql-settings.ts";
import { type Tls, tlsOptions } from "./tls.ts";

/**
 * Dials, does TLS, logs in and gets a first answer, all before `signal` fires. Throws BrokerError. The socket is our own:
 * pg waits for a silent server for ever, and ends a connection only by asking it.
 */
export async function openPostgres(
  address: SqlAddress,
  tls: Tls | undefined,
  channels: Channels,
  signal: AbortSignal,
): Promise<SqlLink> {
  const secrets = address.password === undefined ? [] : [address.password];
  const ssl = await sslOf(address, tls);
  const { default: pg } = await import("pg");
  const socket = new Socket();
  const { host, port, username: user, database } = address;
  const client = new pg.Client({
    ...{ host, port, user, database, ssl, application_name: "worktide", keepAlive: true },
    stream: () => socket,
    // A function, or pg would look for one in PGPASSWORD and ~/.pgpass: a credential of another address.
    password: () => address.password ?? "",
  });
  /** One statement, and no more rows of it than anybody needs: pg itself would ask for all the others. */
  const ask = (text: string) => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const callback = (error: Error | undefined, answer: Answer) => (error ? reject(error) : resolve(answer));
    const query = new pg.Query({ ...extended(text), callback } as never);
    const _getRows = (on: Wire) => {
      on.execute({ portal: "", rows: maxRows + 1 });
      on.sync();
    };
    client.query(Object.assign(query, { _getRows, handlePortalSuspended() {} }));
    return promise;
  };
  const link = linkOf(client, ask, { socket, secrets, channels });
  return firstAnswer(link, client.connect(), (error) => postgresProblem(error, secrets), signal);
}

async function sslOf({ tls: mode, host }: SqlAddress, tls: Tls | undefined) {
  if (mode === "off") return false;
  const options = await tlsOptions(tls);
  if (mode === "unverified") return { ...options, rejectUnauthorized: false };
  const name = tls?.serverName ?? host;
  return {
    ...options,
    checkServerIdentity: (_: string, cert: Parameters<typeof checkServerIdentity>[1]) => checkServerIdentity(name, cert),
  };
}

type Answer = Readonly<{ fields: readonly Readonly<{ name: string }>[]; rows: readonly Row[] }>;
type Wire = Readonly<{ execute(what: object): void; sync(): void }>;
type Parts = Readonly<{ socket: Socket; secrets: readonly string[]; channels: Channels }>;

/** The types do not know it yet. */
const extended = (text: string) => ({ text, queryMode: "extended" }) as { text: string };

/** One that our process leaves open, because it was stopped, ends by itself. */
const idleMs = 10_000;

function linkOf(client: Client, ask: (text: string) => Promise<Answer>, { socket, secrets, channels }: Parts): SqlLink {
  const ending = createEnding(() => socket.destroy());
  const { gone, throwIfGone, destroy } = ending;
  let statementMs = 1000;
  client.on("error", (error) => destroy(postgresProblem(error, secrets)));
  client.on("end", () => destroy());
  client.on("notification", ({ channel }) => channels.notify(channel));

  const send = async <T>(work: () => Promise<T>): Promise<T> => {
    throwIfGone();
    try {
      return await work();
    } catch (error) {
      throw new BrokerError(gone() ?? postgresProblem(error, secrets));
    }
  };
  /** Statements of ours: several at once, by the simple protocol. */
  const command = (text: string) => send(() => client.query(text) as Promise<unknown>);
  /** A pooler may refuse it: then there is polling only. */
  const hear = async (text: string) => {
    try {
      await command(text);
    } catch (error) {
      if (gone()) throw error;
    }
  };
  const opening = () =>
    `BEGIN READ ONLY; SET LOCAL statement_timeout = ${statementMs}; SET LOCAL idle_in_transaction_session_timeout = ${idleMs}`;

  return {
    ...ending,
    async begin(ms) {
      statementMs = ms;
      for (const text of channels.changes()) await hear(text);
      const identity = "SELECT pg_is_in_recovery() AS standby, extract(epoch FROM pg_postmaster_start_time())::text AS epoch";
      const answers = (await command(`${opening()}; ${identity}`)) as readonly { rows: readonly Row[] }[];
      const row = answers.at(-1)?.rows[0];
      if (row?.["standby"] !== false) throw new BrokerError(replicaProblem);
      return String(row["epoch"]);
    },
    limit: async (ms) => void (await command(`SET LOCAL statement_timeout = ${ms}`)),
    // By the extended protocol, which takes one statement: nothing can end the transaction and go on outside of it.
    query: (text) =>
      send(async () => {
        const { fields, rows } = await withinBounds(ask(text), socket, destroy);
        return { columns: fields.map(({ name }) => name), rows };
      }),
    recover: async () => void (await command(`ROLLBACK; ${opening()}`)),
    end: async () => void (await command("COMMIT")),
  };
}
