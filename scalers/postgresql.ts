import { z } from "zod";
import { text } from "../src/api/fields.ts";
import type { SqlReader } from "../src/brokers/sql-client.ts";
import type { Scaler } from "../src/core/contract.ts";
import { sightOf, sqlQuery } from "./sql/query.ts";
import { readSql } from "./sql/reading.ts";

const query = z.strictObject({
  ...sqlQuery,
  listen: text(63).optional().describe("A channel of NOTIFY that tells of new jobs: it is read at once then. Example: `jobs`."),
});
type Query = z.output<typeof query>;

/** What a query of the user's says. Triggers with the same query share one run of it; `queue` tells their rows apart. */
export const postgresql: Scaler<Query, SqlReader> = {
  type: "postgresql",
  summary: "What a query to PostgreSQL says: a number of waiting jobs, or what waits, runs and who is busy, by columns.",
  broker: "postgresql",
  query,
  everyMs: 2000,
  sight: sightOf("postgresql"),
  read: readSql,
  wake: (client, { listen }, hint) => (listen === undefined ? undefined : client.onNotify?.(listen, hint)),
};
