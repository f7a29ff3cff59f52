import { z } from "zod";
import type { SqlReader } from "../src/brokers/sql-client.ts";
import type { Scaler } from "../src/core/contract.ts";
import { sightOf, sqlQuery } from "./sql/query.ts";
import { readSql } from "./sql/reading.ts";

const query = z.strictObject(sqlQuery);
type Query = z.output<typeof query>;

/** What a query of the user's says. Triggers with the same query share one run of it; `queue` tells their rows apart. */
export const mysql: Scaler<Query, SqlReader> = {
  type: "mysql",
  summary: "What a query to MySQL or MariaDB says: a number of waiting jobs, or what waits, runs and who is busy, by columns.",
  broker: "mysql",
  query,
  everyMs: 2000,
  sight: sightOf("mysql"),
  read: readSql,
};
