import { postgresql } from "../../scalers/postgresql.ts";
import { postgresBroker } from "../../src/brokers/postgresql.ts";
import { testScaler } from "../conformance/scaler.ts";
import { skipWithoutPostgres, startPostgres } from "../support/postgresql.ts";
import { jobsWorld } from "../support/sql-jobs.ts";

testScaler({
  title: "postgresql",
  scaler: postgresql,
  broker: postgresBroker,
  skip: await skipWithoutPostgres(),
  start: async () => jobsWorld(await startPostgres(), { listen: "jobs" }),
});
