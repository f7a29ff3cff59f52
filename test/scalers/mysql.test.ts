import { mysql } from "../../scalers/mysql.ts";
import { mysqlBroker } from "../../src/brokers/mysql.ts";
import { testScaler } from "../conformance/scaler.ts";
import { kindOfMysql, skipWithoutMaria, startMaria } from "../support/mariadb.ts";
import { jobsWorld } from "../support/sql-jobs.ts";

testScaler({
  title: `mysql, of ${kindOfMysql}`,
  scaler: mysql,
  broker: mysqlBroker,
  skip: await skipWithoutMaria(),
  start: async () => jobsWorld(await startMaria()),
});
