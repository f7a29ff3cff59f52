import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { redact } from "../../src/api/redact.ts";
import { mysqlBroker } from "../../src/brokers/mysql.ts";
import { postgresBroker } from "../../src/brokers/postgresql.ts";
import { addressOf, parseUrl, type SqlKind } from "../../src/brokers/sql-settings.ts";

const kind: SqlKind = { type: "postgresql", title: "PostgreSQL", schemes: ["postgresql", "postgres"], port: 5432 };

describe("settings of a database", () => {
  it("are an address as libpq and SQLAlchemy write it", () => {
    const plain = { host: "db", port: 5432, database: "shop", tls: "off" };
    for (const [text, expected] of [
      ["postgresql://db/shop", plain],
      ["postgres://u@db:5432/shop", { ...plain, username: "u" }],
      ["postgresql+psycopg2://u:p%40%3A%2F@db/shop?sslmode=disable", { ...plain, username: "u", password: "p@:/" }],
      ["postgresql://db/shop?sslmode=require", { ...plain, tls: "unverified" }],
      ["postgresql://db/shop?sslmode=verify-full", { ...plain, tls: "verified" }],
      ["postgresql://[::1]:7/a%20b", { ...plain, host: "::1", port: 7, database: "a b" }],
      ["postgresql://db/shop?sslmode=some", undefined],
      ["postgresql://db/shop?connect_timeout=10&sslmode=disable&application_name=airflow", plain],
      ["postgresql://db/shop?options=x", undefined],
      ["postgresql://db", undefined],
      ["postgresql://db/a/b", undefined],
      ["postgresql://db/%zz", undefined],
      ["mysql://db/shop", undefined],
      ["db/shop", undefined],
    ] as const)
      assert.deepEqual(parseUrl(kind, text), expected, text);
  });

  it("that do not fit together are refused with the way out", () => {
    const refused = (settings: unknown, message: RegExp) => {
      const { error } = postgresBroker.settings.safeParse(settings);
      // As it is shown: what looks like a login in a text is hidden.
      assert.match(redact(error?.issues.map((issue) => issue.message).join("; ") ?? ""), message, JSON.stringify(settings));
    };
    refused({}, /exactly one of `url`, `urlFrom`; found none/);
    refused({ url: "postgresql://u@a/b", urlFrom: { env: "U" } }, /found `url` and `urlFrom`/);
    refused({ url: "postgresql://u:p@a/b" }, /must not carry a password/);
    refused({ url: "postgresql://u@a" }, /must be postgresql:\/\/host:port\/database, with the user before the host$/);
    refused({ url: "postgresql://u@a/b?sslcert=x" }, /must not have the parameter `sslcert`: it is not understood here$/);
    refused({ url: "postgresql://a/b" }, /must name the user/);
    refused({ url: "postgresql://a/b", username: "u" }, /must come with `passwordFrom`/);
    refused({ url: "postgresql://u@a/b", tls: { certFile: "x" } }, /must have both/);
    refused({ url: "postgresql://u@a/b", statementTimeout: "3s" }, /from 50ms to 1500ms/);
    const fine = { url: "postgresql://u@a/b", passwordFrom: { env: "P" }, tls: {} };
    assert.equal(postgresBroker.settings.safeParse(fine).success, true);
    assert.equal(mysqlBroker.settings.safeParse({ ...fine, url: "mysql://u@a/b" }).success, true);
  });

  it("say who logs in, and whether TLS is on: `tls` before the address", () => {
    const parsed = postgresBroker.settings.parse({ urlFrom: { env: "U" } }) as object;
    const address = (change: object) => addressOf(kind, { ...parsed, ...change } as never);
    assert.deepEqual(address({ url: "postgresql://u:p@a/b" }).password, "p");
    assert.deepEqual(address({ url: "postgresql://u:p@a/b", password: "w" }).password, "w");
    assert.equal(address({ url: "postgresql://u@a/b", tls: {} }).tls, "verified");
    assert.equal(address({ url: "postgresql://u@a/b?sslmode=disable", tls: { insecureSkipVerify: true } }).tls, "unverified");
    assert.throws(() => address({ url: "postgresql://u@a/b?sslmode=require&options=-csearch_path%3Dairflow" }), {
      message: "the address has the parameter `options`, which is not understood here: leave it out",
    });
    for (const url of ["nonsense://u:geheim@a", "postgresql://a/b?x=geheim", "postgresql://u:12/b?geheim@c/d"])
      assert.throws(
        () => address({ url }),
        (error) => !String(error).includes("geheim"),
      );
  });

  it("are described without a login", () => {
    assert.equal(postgresBroker.address({ url: "postgresql://u:p@db/shop" } as never), "postgresql://db:5432/shop");
    assert.equal(mysqlBroker.address({ url: "mysql://u:p@db/shop" } as never), "mysql://db:3306/shop");
    assert.equal(postgresBroker.address({ urlFrom: { env: "DB" } } as never), "postgresql at the address in DB");
    assert.equal(postgresBroker.address({ url: "nonsense u:p" } as never), "postgresql");
  });
});
