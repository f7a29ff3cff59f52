import { airflow } from "../../scalers/airflow.ts";
import { mysql } from "../../scalers/mysql.ts";
import { mysqlBroker } from "../../src/brokers/mysql.ts";
import { testScaler } from "../conformance/scaler.ts";
import { airflowWorld } from "../support/airflow-tables.ts";
import { skipWithoutMaria, startMaria } from "../support/mariadb.ts";
import { jobsWorld } from "../support/sql-jobs.ts";

// MariaDB is what most tests take: MySQL itself has other error numbers, columns of JSON, and another way to log in.
const skip = await skipWithoutMaria("MySQL");
testScaler({
  title: "mysql, of MySQL itself",
  scaler: mysql,
  broker: mysqlBroker,
  skip,
  start: async () => jobsWorld(await startMaria([], "MySQL")),
});
testScaler({
  title: "airflow, of 3.x on MySQL itself",
  scaler: airflow,
  broker: mysqlBroker,
  skip,
  start: async () => airflowWorld(await startMaria([], "MySQL"), "3"),
});
