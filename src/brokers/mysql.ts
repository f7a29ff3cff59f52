import type { Broker } from "../core/contract.ts";
import { openMysql } from "./mysql-link.ts";
import { readingSession } from "./session.ts";
import type { SqlReader } from "./sql-client.ts";
import { createAsk } from "./sql-reader.ts";
import { addressOf, describe, type SqlKind, type SqlSettings, sqlSettings } from "./sql-settings.ts";

const kind: SqlKind = { type: "mysql", title: "MySQL", schemes: ["mysql", "mariadb"], port: 3306 };

/**
 * MySQL 5.7 or newer, or MariaDB 10.2 or newer. One connection for all triggers, which reads in transactions that are
 * read-only, each statement for a bounded time. The user needs to SELECT what the queries read.
 */
export const mysqlBroker: Broker<SqlReader, SqlSettings> = {
  type: "mysql",
  summary: "A database of MySQL or MariaDB.",
  settings: sqlSettings(kind),
  address: (settings) => describe(kind, settings),
  async open(settings, signal) {
    const link = await openMysql(addressOf(kind, settings), settings.tls, signal);
    return readingSession<SqlReader>({ dialect: "mysql", ask: createAsk(link, settings.statementTimeout) }, link);
  },
};
