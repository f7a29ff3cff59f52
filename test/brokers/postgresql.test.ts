import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { postgresBroker } from "../../src/brokers/postgresql.ts";
import type { SqlAnswer, SqlReader } from "../../src/brokers/sql-client.ts";
import type { Problem, Session } from "../../src/core/contract.ts";
import { skipWithoutPostgres, startPostgres } from "../support/postgresql.ts";
import { makeCerts, type TestCerts } from "../support/redis-topologies.ts";
import { problemOf, soon } from "../support/scaler-lab.ts";
import { signalOne, type TestDatabase } from "../support/sql-server.ts";
import { issueCert } from "../support/tls-proxy.ts";
import { waitFor } from "../support/wait.ts";

const skip = await skipWithoutPostgres();

describe("PostgreSQL", { skip }, () => {
  let server: TestDatabase;
  let certs: TestCerts | undefined;
  before(async () => {
    certs = await makeCerts();
    server = await startPostgres(["hot_standby=on"], certs);
    await server.sql("CREATE TABLE jobs (n int)", "INSERT INTO jobs VALUES (1), (2)");
  });
  after(async () => {
    await server.stop();
    await certs?.[Symbol.asyncDispose]();
  });

  const open = (change: object = {}): Promise<Session<SqlReader>> =>
    postgresBroker.open(
      {
        ...postgresBroker.settings.parse({ url: server.url, username: "worktide", passwordFrom: { env: "X" } }),
        password: server.password,
        ...change,
      } as never,
      soon(),
    );
  const ask = async (session: Session<SqlReader>, ...texts: readonly string[]) => session.client.ask(texts, soon());
  const said = (answer: SqlAnswer | undefined) => (answer && "problem" in answer ? answer.problem : answer?.rows);
  const ours = () =>
    server.sql(
      "SELECT pid, backend_start::text AS since FROM pg_stat_activity WHERE application_name = 'worktide' ORDER BY 2 DESC",
    );

  it("answers 1,000 different queries in their order on one connection, and equal ones by one run", async () => {
    await using session = await open();
    const texts = Array.from({ length: 1000 }, (_, i) => `SELECT ${i} AS n, count(*) AS c FROM jobs`);
    const answered = new Set<number>();
    // On a busy machine there is not time for all of them: those that are left out come first the next time.
    await waitFor("all to be answered", async () => {
      const answers = await session.client.ask([...texts, ...texts], soon());
      for (const [i, answer] of answers.entries()) {
        if ("problem" in answer) assert.match(answer.problem.message, /left no time/);
        else {
          assert.equal(answer.rows[0]?.["n"], i % 1000);
          answered.add(i);
        }
      }
      return answered.size === 2000;
    });
    assert.equal((await ours()).length, 1);
    await server.sql("CREATE SEQUENCE runs");
    const [first, second] = await ask(session, "SELECT last_value FROM runs", "SELECT last_value FROM runs");
    assert.equal(first, second);
  });

  it("answers those that there was no time for first the next time", async () => {
    await using session = await open();
    const texts = Array.from({ length: 14 }, (_, i) => `SELECT ${i} AS n, pg_sleep(0.2) AS s`);
    const answered = new Set<number>();
    await waitFor("all to be answered", async () => {
      for (const [i, answer] of (await session.client.ask(texts, soon())).entries()) if ("rows" in answer) answered.add(i);
      return answered.size === texts.length;
    });
  });

  it("lets no query write, whatever it tries", async () => {
    await using session = await open();
    const tries = [
      "WITH gone AS (DELETE FROM jobs RETURNING n) SELECT count(*) FROM gone",
      "SELECT 1; DELETE FROM jobs",
      "SELECT n FROM jobs FOR UPDATE",
      "SELECT nextval('runs2')",
      "SELECT set_config('default_transaction_read_only', 'off', false), set_config('transaction_read_only', 'off', false)",
    ];
    await server.sql("CREATE SEQUENCE runs2");
    const answers = await ask(
      session,
      ...tries,
      "WITH gone AS (DELETE FROM jobs RETURNING n) SELECT 1 AS n FROM gone",
      "SELECT count(*)::int AS n FROM jobs",
    );
    for (const [i, text] of tries.entries()) assert.equal((said(answers[i]) as Problem).kind, "invalid", text);
    assert.match((said(answers[0]) as Problem).message, /read-only transaction/);
    assert.equal((said(answers.at(-2)) as Problem).kind, "invalid");
    assert.deepEqual(said(answers.at(-1)), [{ n: 2 }]);
    await session.client.ask(["SELECT 1"], soon());
    assert.deepEqual(await server.sql("SELECT count(*)::int AS n FROM jobs"), [{ n: 2 }]);
  });

  it("fails one query alone: a missing table, a missing right, a mistake", async () => {
    await using session = await open();
    const [missing, mistake, good] = await ask(session, "SELECT * FROM nowhere", "SELECT nonsense FROM jobs", "SELECT 5 AS n");
    assert.deepEqual([(said(missing) as Problem).kind, (said(mistake) as Problem).kind], ["missing", "invalid"]);
    assert.match((said(missing) as Problem).message, /relation "nowhere" does not exist/);
    assert.deepEqual(said(good), [{ n: 5 }]);
    await server.sql("CREATE USER reader PASSWORD 'r'");
    await using reader = await open({ username: "reader", password: "r" });
    const [refused] = await ask(reader, "SELECT * FROM jobs");
    assert.equal((said(refused) as Problem).kind, "auth");
  });

  it("takes no more rows than anybody needs, says so, and answers the others", async () => {
    await using session = await open();
    const many = "WITH RECURSIVE n AS (SELECT 1 AS g UNION ALL SELECT g + 1 FROM n WHERE g < 900) SELECT a.g FROM n a, n b";
    const [endless, most, good] = await ask(session, `${many}, n c`, `${many} LIMIT 10000`, "SELECT 5 AS n");
    const message = "the query returns more than 10000 rows: let the database count them, as in SELECT count(*)";
    assert.deepEqual(said(endless), { kind: "invalid", message });
    assert.equal((said(most) as readonly unknown[]).length, 10_000);
    assert.deepEqual(said(good), [{ n: 5 }]);
  });

  it("ends a query that takes too long, and the quick ones get their answers, then and the next time", async () => {
    await using session = await open({ statementTimeout: 400 });
    const slow = [
      "SELECT pg_sleep(30) AS a",
      "SELECT pg_sleep(30) AS b",
      "SELECT pg_sleep(30) AS c",
      "SELECT pg_sleep(30) AS d",
      "SELECT pg_sleep(30) AS e",
    ];
    const [, ...first] = await ask(session, "SELECT 0 AS n", ...slow.slice(0, 2), "SELECT 1 AS n");
    assert.deepEqual(first.map((answer) => said(answer)).at(-1), [{ n: 1 }]);
    assert.deepEqual(said(first[0]), { kind: "timeout", message: "the query took longer than 400 ms" });
    const second = await ask(session, ...slow, "SELECT 2 AS n");
    assert.deepEqual(said(second.at(-1)), [{ n: 2 }], "after five that would take all the time there is, were they first");
    const problems = second.slice(0, -1).map((answer) => said(answer) as Problem);
    assert.ok(problems.every(({ kind }) => kind === "timeout"));
    assert.ok(
      problems.some(({ message }) => /left no time/.test(message)),
      JSON.stringify(problems),
    );
    assert.equal((await ours()).length, 1, "the connection is the same");
  });

  it("is lost when its backend is ended, and says so; a frozen backend is waited for until the caller gives up", async () => {
    const killed = await open();
    await server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'worktide'");
    assert.deepEqual((await killed.lost).kind, "unreachable");
    await assert.rejects(killed.client.ask(["SELECT 1"], soon()));
    const frozen = await open();
    const pid = Number((await ours())[0]?.["pid"]);
    signalOne(pid, "SIGSTOP");
    try {
      const controller = new AbortController();
      const asked = problemOf(frozen.client.ask(["SELECT 1"], controller.signal));
      controller.abort();
      assert.equal((await asked).kind, "timeout");
      frozen.destroy();
      await using next = await open();
      assert.deepEqual(said((await ask(next, "SELECT 7 AS n"))[0]), [{ n: 7 }]);
    } finally {
      signalOne(pid, "SIGCONT");
    }
    await waitFor("the backend to notice that nobody is there", async () => (await ours()).length === 0);
  });

  it("turns a wrong password away without a word of it, and takes none from its surroundings", async () => {
    const { PGPASSWORD: before } = process.env;
    process.env["PGPASSWORD"] = server.password;
    try {
      const none = await problemOf(open({ password: undefined }));
      assert.deepEqual(none, { kind: "auth", message: "the server asks for a password: use `passwordFrom`" });
    } finally {
      if (before === undefined) delete process.env["PGPASSWORD"];
      else process.env["PGPASSWORD"] = before;
    }
    const wrong = await problemOf(open({ password: "geheim/1" }));
    assert.equal(wrong.kind, "auth");
    assert.ok(!JSON.stringify(wrong).includes("geheim"));
    assert.equal((await problemOf(open({ url: server.url.replace("/shop", "/none") }))).kind, "missing");
  });

  it("is trusted by its certificate only, where TLS is on", async (t) => {
    if (!certs) return t.skip("openssl is not installed");
    const secure = (tls: object) => open({ tls: { insecureSkipVerify: false, ...tls } });
    await using trusted = await secure({ caFile: certs.caFile });
    const [encrypted] = await ask(trusted, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    assert.deepEqual(said(encrypted), [{ ssl: true }]);
    assert.equal((await problemOf(secure({ caFile: certs.otherCaFile }))).kind, "tls");
    assert.equal((await problemOf(secure({ caFile: certs.caFile, serverName: "db.shop" }))).kind, "tls");
    await using named = await secure({ caFile: certs.caFile, serverName: "localhost" });
    assert.ok(await ask(named, "SELECT 1"));
    await using blind = await secure({ insecureSkipVerify: true });
    assert.ok(await ask(blind, "SELECT 1"));
  });

  for (const [how, more] of [
    ["plain", () => ({})],
    ["by TLS", () => ({ tls: { insecureSkipVerify: true } })],
  ] as const) {
    it(`that sends a huge value, ${how}, is not read to its end: the connection is given up, and says why`, async () => {
      await using session = await open(more());
      const before = process.memoryUsage().rss;
      const { kind, message } = await problemOf(ask(session, "SELECT repeat('x', 100000000)"));
      assert.deepEqual(
        [kind, message],
        ["invalid", "a query answers with more than 8 MiB: let the database count, as in SELECT count(*)"],
      );
      assert.ok(process.memoryUsage().rss - before < 150 * 2 ** 20);
    });
  }

  it("may ask for a certificate of ours", async (t) => {
    if (!certs) return t.skip("openssl is not installed");
    await server.sql("CREATE USER certified PASSWORD 'c'");
    const [own, stranger] = await Promise.all([issueCert(certs), issueCert(certs, { by: "other" })]);
    const { caFile } = certs;
    const dial = (more: object) =>
      open({ username: "certified", password: "c", tls: { insecureSkipVerify: false, caFile, ...more } });
    await using session = await dial(own);
    assert.deepEqual(said((await ask(session, "SELECT 1 AS n"))[0]), [{ n: 1 }]);
    for (const wrong of [{}, stranger]) {
      const { kind } = await problemOf(dial(wrong));
      assert.ok(["auth", "tls", "unreachable"].includes(kind), kind);
    }
  });

  it("tells of a channel by any name, each time, and not after the end", async () => {
    await using session = await open();
    const heard: string[] = [];
    const [odd, other] = ["a \"b\" 'c'; --", "other"];
    using _odd = session.client.onNotify?.(odd, () => heard.push("odd"));
    const listening = session.client.onNotify?.(other, () => heard.push("other"));
    await ask(session, "SELECT 1");
    const notify = (channel: string) => server.sql(`NOTIFY "${channel.replaceAll('"', '""')}"`);
    await notify(odd);
    await waitFor("the first", () => heard.join() === "odd");
    await notify(other);
    await waitFor("the second", () => heard.join() === "odd,other");
    listening?.[Symbol.dispose]();
    await ask(session, "SELECT 1");
    await notify(other);
    await notify(odd);
    await waitFor("the third", () => heard.join() === "odd,other,odd");
  });

  it("is not read while it is a standby: an old zero is none", async () => {
    await using standby = await startPostgres();
    await using session = await postgresBroker.open(
      { ...postgresBroker.settings.parse({ url: standby.url }), password: standby.password } as never,
      soon(),
    );
    assert.deepEqual(said((await ask(session, "SELECT 1 AS n"))[0]), [{ n: 1 }]);
    await standby.beStandby?.(true);
    assert.equal((await session.lost).kind, "unreachable");
    const { kind, message } = await problemOf(
      postgresBroker.open(
        { ...postgresBroker.settings.parse({ url: standby.url }), password: standby.password } as never,
        soon(),
      ),
    );
    assert.equal(kind, "replica");
    assert.match(message, /connect to the primary/);
  });
});
