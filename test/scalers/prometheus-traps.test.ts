import assert from "node:assert/strict";
import { after, before, describe, it, test } from "node:test";
import { measure } from "../../scalers/prometheus/measure.ts";
import { timeQuery } from "../../scalers/prometheus/samples.ts";
import { prometheus } from "../../scalers/prometheus.ts";
import { monotonicMs } from "../../src/brokers/clock.ts";
import { prometheusBroker } from "../../src/brokers/prometheus.ts";
import { findPrometheus } from "../support/prometheus.ts";
import { openScalerLab } from "../support/scaler-lab.ts";
import { type Scraped, startScraped } from "../support/scraped.ts";
import { waitFor } from "../support/wait.ts";

const found = await findPrometheus();

describe("a number of Prometheus", { skip: "missing" in found ? found.missing : false }, () => {
  let scraped: Scraped;
  let lab: Awaited<ReturnType<typeof openScalerLab>>;
  before(async () => {
    scraped = await startScraped();
    lab = await openScalerLab(prometheus, prometheusBroker, prometheusBroker.settings.parse({ url: scraped.prometheus.url }));
    await scraped.set('jobs{queue="a"}', 2);
    await scraped.set('jobs{queue="b"}', 3);
  });
  after(async () => {
    await lab?.[Symbol.asyncDispose]();
    await scraped?.[Symbol.asyncDispose]();
  });
  const why = async (waiting: string) => {
    const { kind, message } = await lab.problem({ waiting });
    return `${kind}: ${message}`;
  };

  it("that is none is not known: no series, several, NaN, infinite, negative, a table", async () => {
    assert.equal(await why("nothing"), "missing: the query finds no series");
    assert.match(await why("jobs"), /^invalid: the query gives 2 numbers; must give one: `sum\(…\)` adds them up$/);
    assert.match(await why("sum(jobs) * NaN"), /^invalid: the query gives NaN/);
    assert.match(await why("sum(jobs) / 0"), /^invalid: the query gives Infinity/);
    assert.match(await why("-sum(jobs)"), /^invalid: the query gives -5/);
    assert.match(await why("jobs[1m]"), /^invalid: the query gives a matrix/);
    assert.match(await why("sum(jobs"), /^invalid: Prometheus says: .*parse error/);
    assert.equal((await lab.read({ waiting: "sum(jobs)" })).waiting, 5);
    assert.equal((await lab.read({ waiting: "scalar(sum(jobs)) / 10" })).waiting, 1, "a fraction is a job");
  });

  it("that the query makes up where no series stands behind it is not known", async () => {
    assert.match(await why("sum(nothing) or vector(0)"), /^missing: no series stands behind the 0/);
    assert.equal((await lab.read({ waiting: "sum(jobs) or vector(0)" })).waiting, 5);
    assert.equal((await lab.read({ waiting: "vector(7)" })).waiting, 7, "what is made from no series is as it stands");
  });

  it("of what runs may be unknown alone, and says why", async () => {
    const { waiting, running, runningUnknown } = await lab.read({ waiting: "sum(jobs)", running: "sum(nothing)" });
    assert.deepEqual([waiting, running, runningUnknown], [5, undefined, "the query finds no series"]);
  });

  it("is as old as the oldest sample that it is made from, and too old ones are not known", async () => {
    await scraped.set('times{queue="a"}', 1);
    await scraped.set('times{queue="b"}', 2, Date.now() - 90_000);
    const query = { waiting: "sum(times)", maxAge: "4m" };
    const askedAt = monotonicMs();
    const { waiting, sampledAt } = await lab.read(query);
    assert.equal(waiting, 3);
    assert.ok(sampledAt <= askedAt - 89_000 && sampledAt > askedAt - 240_000, String(askedAt - sampledAt));
    assert.match((await lab.problem({ ...query, maxAge: "1m" })).message, /newest sample is \d+ s old, and `maxAge` is 60 s/);
    const young = await lab.read({ waiting: 'times{queue="a"}' });
    assert.ok(young.sampledAt > sampledAt);
    const untold = await lab.read({ ...query, waiting: "sum(times offset 1s)" });
    assert.ok(untold.sampledAt <= monotonicMs() - 240_000, "where nobody can tell, it is as old as it may be");
  });

  it("ends with its exporter, and is back with it", async () => {
    await using scraped = await startScraped({ fleeting: true });
    const settings = prometheusBroker.settings.parse({ url: scraped.prometheus.url });
    await using lab = await openScalerLab(prometheus, prometheusBroker, settings);
    await scraped.set('jobs{queue="a"}', 2);
    const outcome = async () => (await lab.outcomes({ waiting: "sum(jobs)" }))[0];
    scraped.up(false);
    await waitFor("the series to end", async () => {
      const result = await outcome();
      assert.ok(result && ("problem" in result || result.reading.waiting === 2), "never another number");
      return "problem" in result && result.problem.kind === "missing";
    });
    scraped.up(true);
    await waitFor("the series to be back", async () => "reading" in ((await outcome()) ?? {}));
  });

  it("has its time asked for by the selectors of its query", () => {
    assert.equal(timeQuery('sum by (x) (rate(a{b="}"}[5m]))'), 'min(timestamp(a{b="}"}))');
    assert.equal(timeQuery("vector(3)"), "");
    for (const unknown of ["a offset 5m", "max_over_time(a[5m:1m])", "a @ 100", "absent(a)"])
      assert.equal(timeQuery(unknown), undefined);
    assert.match(
      timeQuery('a / on (x) group_left (y) {__name__="b"} # c') ?? "",
      /timestamp\(a\).* or .*timestamp\({__name__="b"}\)/,
    );
  });
});

test("A number of Prometheus that a cache has kept is as much older", async () => {
  const told = (value: string) => ({ status: "success", data: { resultType: "vector", result: [{ value: [1000, value] }] } });
  const ask = async (path: string) => {
    const text = JSON.stringify(told(path.includes("timestamp") ? "990" : "3"));
    return { status: 200, type: "application/json", text, keptMs: 40_000 };
  };
  assert.deepEqual(await measure({ ask, epoch: "e" }, "jobs"), { value: 3, ageMs: 50_000 });
  assert.deepEqual(await measure({ ask, epoch: "e" }, "vector(3)"), { value: 3, ageMs: 40_000 });
});
