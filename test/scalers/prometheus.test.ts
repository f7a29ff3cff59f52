import { prometheus } from "../../scalers/prometheus.ts";
import { prometheusBroker } from "../../src/brokers/prometheus.ts";
import { type ScalerWorld, testScaler } from "../conformance/scaler.ts";
import { findPrometheus } from "../support/prometheus.ts";
import { scrapedPassword, startScraped } from "../support/scraped.ts";

async function startWorld(): Promise<ScalerWorld> {
  const scraped = await startScraped({ login: true });
  const parsed = prometheusBroker.settings.parse({ url: scraped.prometheus.url });
  const settings = { ...parsed, username: "worktide", password: scrapedPassword };
  const series = (name: string, queue: string) => `${name}{queue=${JSON.stringify(queue)}}`;
  const add = async (name: string, queue: string, jobs: number) => {
    const one = series(name, queue);
    await scraped.set(one, scraped.get(one) + jobs);
  };
  const make = async (queue: string) => {
    await Promise.all(["jobs_waiting", "jobs_running"].map((name) => scraped.set(series(name, queue), 0)));
  };
  return {
    settings,
    wrongSettings: { ...settings, password: "wrong" },
    absent: "missing",
    unnoticed: true,
    // What it scraped last, on a machine however busy.
    statisticsMs: 60_000,
    query: (queue) => ({ waiting: series("jobs_waiting", queue), running: series("jobs_running", queue) }),
    make,
    put: (queue, jobs) => add("jobs_waiting", queue, jobs),
    async take(queue, jobs) {
      await add("jobs_waiting", queue, -jobs);
      await add("jobs_running", queue, jobs);
    },
    spoil: (queue) => scraped.set(series("jobs_waiting", queue), Number.NaN),
    kill: scraped.prometheus.kill9,
    revive: () => scraped.prometheus.restart({ wipe: true }),
    freeze: scraped.prometheus.freeze,
    [Symbol.asyncDispose]: () => scraped[Symbol.asyncDispose](),
  };
}

const found = await findPrometheus();
testScaler({
  title: "prometheus",
  scaler: prometheus,
  broker: prometheusBroker,
  skip: "missing" in found ? found.missing : false,
  start: startWorld,
});
