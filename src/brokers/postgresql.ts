import type { Broker } from "../core/contract.ts";
import { createChannels } from "./postgresql-channels.ts";
import { openPostgres } from "./postgresql-link.ts";
import { readingSession } from "./session.ts";
import type { SqlReader } from "./sql-client.ts";
import { createAsk } from "./sql-reader.ts";
import { addressOf, describe, type SqlKind, type SqlSettings, sqlSettings } from "./sql-settings.ts";

const kind: SqlKind = { type: "postgresql", title: "PostgreSQL", schemes: ["postgresql", "postgres"], port: 5432 };

/**
 * PostgreSQL 12 or newer. One connection for all triggers, which reads in transactions that
 * are read-only, each statement for a bounded time. The user needs to connect, and to SELECT what the queries read. Behind
 * PgBouncer in transaction mode there is polling only: LISTEN needs a session.
 */
export const postgresBroker: Broker<SqlReader, SqlSettings> = {
  type: "postgresql",
  summary: "A database of PostgreSQL.",
  settings: sqlSettings(kind),
  address: (settings) => describe(kind, settings),
  async open(settings, signal) {
    const channels = createChannels();
    const link = await openPostgres(addressOf(kind, settings), settings.tls, channels, signal);
    const ask = createAsk(link, settings.statementTimeout);
    return readingSession<SqlReader>({ dialect: "postgresql", ask, onNotify: channels.watch }, link);
  },
};
