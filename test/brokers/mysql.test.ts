import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { monotonicMs } from "../../src/brokers/clock.ts";
import { mysqlBroker } from "../../src/brokers/mysql.ts";
import type { SqlAnswer, SqlReader } from "../../src/brokers/sql-client.ts";
import type { Problem, Session } from "../../src/core/contract.ts";
import { kindOfMysql, skipWithoutMaria, startMaria } from "../support/mariadb.ts";
import { makeCerts, type TestCerts } from "../support/redis-topologies.ts";
import { problemOf, soon } from "../support/scaler-lab.ts";
import type { TestDatabase } from "../support/sql-server.ts";
import { issueCert } from "../support/tls-proxy.ts";

const skip = await skipWithoutMaria();

describe(kindOfMysql, { skip }, () => {
  let server: TestDatabase;
  let certs: TestCerts | undefined;
  before(async () => {
    certs = await makeCerts();
    server = await startMaria(
      certs ? [`--ssl-cert=${certs.certFile}`, `--ssl-key=${certs.keyFile}`, `--ssl-ca=${certs.caFile}`] : [],
    );
    await server.sql("CREATE TABLE jobs (n int)", "INSERT INTO jobs VALUES (1), (2)");
  });
  after(async () => {
    await server.stop();
    await certs?.[Symbol.asyncDispose]();
  });

  const open = (change: object = {}): Promise<Session<SqlReader>> => {
    const settings = mysqlBroker.settings.parse({ url: server.url });
    return mysqlBroker.open({ ...settings, password: server.password, ...change } as never, soon());
  };
  const ask = async (session: Session<SqlReader>, ...texts: readonly string[]) => session.client.ask(texts, soon());
  const said = (answer: SqlAnswer | undefined) => (answer && "problem" in answer ? answer.problem : answer?.rows);
  const kinds = (answers: readonly SqlAnswer[]) => answers.map((answer) => (said(answer) as Problem).kind);

  it("lets no query write, and takes one statement only", async () => {
    await using session = await open();
    const tries = await ask(session, "SELECT 1; DELETE FROM jobs", "WITH a AS (SELECT 1) DELETE FROM jobs");
    assert.deepEqual(kinds(tries), ["invalid", "invalid"]);
    await ask(session, "SELECT COUNT(*) AS n FROM jobs");
    assert.deepEqual(await server.sql("SELECT COUNT(*) AS n FROM jobs"), [{ n: 2 }]);
  });

  it("fails one query alone: a missing table, a mistake, one that takes too long", async () => {
    await using session = await open({ statementTimeout: 300 });
    const [missing, mistake, late, good] = await ask(
      session,
      "SELECT * FROM nowhere",
      "SELECT nonsense FROM jobs",
      `SELECT SLEEP(20) AS s FROM jobs`,
      "SELECT 9007199254740993 AS n",
    );
    assert.deepEqual(
      [said(missing), said(mistake)].map((one) => (one as Problem).kind),
      ["missing", "invalid"],
    );
    assert.deepEqual(said(late), { kind: "timeout", message: "the query took longer than 300 ms" });
    assert.deepEqual(said(good), [{ n: "9007199254740993" }], "larger than a number can be");
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

  it("that sends a huge value is not read to its end: the connection is given up, and says why", async () => {
    await using session = await open();
    const { kind, message } = await problemOf(ask(session, "SELECT repeat('x', 15000000)"));
    const why = "a query answers with more than 8 MiB: let the database count, as in SELECT count(*)";
    assert.deepEqual([kind, message], ["invalid", why]);
  });

  it("never passes old rows off as new ones, though one transaction sees nothing that comes after it began", async () => {
    await using session = await open();
    const before = ask(session, "SELECT COUNT(*) AS n, SLEEP(0.3) AS s FROM jobs LIMIT 1", "SELECT 1 + COUNT(*) AS n FROM jobs");
    await server.sql("INSERT INTO jobs VALUES (3)");
    const insertedAt = monotonicMs();
    const [after] = await ask(session, "SELECT COUNT(*) AS n FROM jobs");
    assert.ok(after && "rows" in after);
    assert.ok(after.rows[0]?.["n"] === 3 || after.askedAt < insertedAt, JSON.stringify(after));
    await before;
    await server.sql("DELETE FROM jobs WHERE n = 3");
  });

  it("turns a wrong password away without a word of it", async () => {
    const wrong = await problemOf(open({ password: "geheim/1" }));
    assert.equal(wrong.kind, "auth");
    assert.ok(!JSON.stringify(wrong).includes("geheim"));
    assert.equal((await problemOf(open({ url: server.url.replace("/shop", "/none") }))).kind, "missing");
  });

  it("is lost when its connection is ended, and its epoch is another one then", async () => {
    const session = await open();
    const [first] = await ask(session, "SELECT CONNECTION_ID() AS id");
    assert.ok(first && "rows" in first);
    await server.sql(`KILL ${String(first.rows[0]?.["id"])}`);
    assert.equal((await session.lost).kind, "unreachable");
    await assert.rejects(ask(session, "SELECT 1"));
    await using next = await open();
    const [second] = await ask(next, "SELECT 1 AS id");
    assert.ok(second && "rows" in second && second.epoch !== first.epoch);
  });

  it("is not read while it is a replica, and is again once it takes writes", async () => {
    await using session = await open();
    await server.sql("SET GLOBAL read_only = 1");
    try {
      assert.equal((await problemOf(ask(session, "SELECT 1 AS n"))).kind, "replica");
      assert.equal((await problemOf(open())).kind, "replica");
    } finally {
      await server.sql("SET GLOBAL read_only = 0");
    }
    await using next = await open();
    assert.deepEqual(said((await ask(next, "SELECT 1 AS n"))[0]), [{ n: 1 }]);
  });

  it("is trusted by its certificate only, where TLS is on", async (t) => {
    if (!certs) return t.skip("openssl is not installed");
    const secure = (tls: object) => open({ tls: { insecureSkipVerify: false, ...tls } });
    await using trusted = await secure({ caFile: certs.caFile, serverName: "localhost" });
    const [cipher] = await ask(trusted, "SHOW SESSION STATUS LIKE 'Ssl_cipher'");
    assert.ok(cipher && "rows" in cipher);
    assert.match(String(cipher.rows[0]?.["Value"]), /./);
    assert.equal((await problemOf(secure({ caFile: certs.otherCaFile, serverName: "localhost" }))).kind, "tls");
    assert.equal((await problemOf(secure({ caFile: certs.caFile, serverName: "db.shop" }))).kind, "tls");
    const nameless = await problemOf(secure({ caFile: certs.caFile }));
    assert.equal(nameless.kind, "tls");
    assert.match(nameless.message, /`tls.serverName`/);
    await using blind = await secure({ insecureSkipVerify: true });
    assert.ok(await ask(blind, "SELECT 1"));
  });

  it("may ask for a certificate of ours", async (t) => {
    if (!certs) return t.skip("openssl is not installed");
    await server.sql("CREATE USER certified@'%' IDENTIFIED BY 'c' REQUIRE X509", "GRANT SELECT ON shop.* TO certified@'%'");
    const [own, stranger] = await Promise.all([issueCert(certs), issueCert(certs, { by: "other" })]);
    const tls = { insecureSkipVerify: false, caFile: certs.caFile, serverName: "localhost" };
    const dial = (more: object) => open({ username: "certified", password: "c", tls: { ...tls, ...more } });
    await using session = await dial(own);
    assert.deepEqual(said((await ask(session, "SELECT 1 AS n"))[0]), [{ n: 1 }]);
    for (const wrong of [{}, stranger]) {
      const { kind } = await problemOf(dial(wrong));
      assert.ok(["auth", "tls", "unreachable"].includes(kind), kind);
    }
  });
});
