import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ErrorReply, SocketClosedUnexpectedlyError } from "@redis/client";
import { redisProblem } from "../../src/brokers/redis-problem.ts";
import { BrokerError, type ProblemKind } from "../../src/core/contract.ts";

const coded = (code: string, message = code): Error => Object.assign(new Error(message), { code });

describe("an error of Redis as a problem", () => {
  const replies: readonly (readonly [string, ProblemKind])[] = [
    ["NOAUTH Authentication required.", "auth"],
    ["WRONGPASS invalid username-password pair or user is disabled.", "auth"],
    ["NOPERM this user has no permissions to run the 'evalsha_ro' command", "auth"],
    ["ERR The user executing the script can't run this command or subcommand script: ab12, on @user_script:3.", "auth"],
    ["ERR AUTH <password> called without any password configured for the default user.", "auth"],
    ["ERR max number of clients reached", "limit"],
    ["LOADING Redis is loading the dataset in memory", "loading"],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "replica"],
    ["CLUSTERDOWN Hash slot not served", "unreachable"],
    ["BUSY Redis is busy running a script.", "timeout"],
    ["ERR something else", "invalid"],
  ];
  for (const [message, kind] of replies) {
    it(`${message.slice(0, 40)} is ${kind}`, () => {
      const problem = redisProblem(new ErrorReply(message));
      assert.equal(problem.kind, kind);
      assert.doesNotMatch(problem.message, /user_script/);
    });
  }

  it("shows no part of a secret, wherever a long message is cut", () => {
    for (let before = 170; before < 210; before++) {
      const reply = new ErrorReply(`ERR ${"x".repeat(before)}c4n4ry-p4ssword is wrong`);
      assert.doesNotMatch(redisProblem(reply, ["c4n4ry-p4ssword"]).message, /c4/);
    }
  });

  it("tells what the way to the server does from what TLS does, and from our own limits", () => {
    const kinds = ["ECONNREFUSED", "ENOTFOUND", "CERT_HAS_EXPIRED", "ERR_SSL_WRONG_VERSION_NUMBER", "EPROTO", "EMFILE"].map(
      (code) => redisProblem(coded(code)).kind,
    );
    assert.deepEqual(kinds, ["unreachable", "unreachable", "tls", "tls", "tls", "internal"]);
    assert.equal(redisProblem(new SocketClosedUnexpectedlyError()).kind, "unreachable");
    assert.deepEqual(
      redisProblem(new AggregateError([coded("ECONNREFUSED", "connect ECONNREFUSED ::1:1")], "")).message,
      "connect ECONNREFUSED ::1:1",
    );
  });

  it("hides secrets however they are written, and says one clause", () => {
    const problem = redisProblem(
      coded("ENOTFOUND", `no host ge heim/ in redis://:${encodeURIComponent("ge heim/")}@a\n   at x`),
      ["ge heim/"],
    );
    assert.equal(problem.message, "no host *** in redis://:***@a at x");
    assert.ok(redisProblem(new ErrorReply("x".repeat(1000))).message.length <= 200);
  });

  it("keeps a problem that it already is", () => {
    const problem = { kind: "missing", message: "x" } as const;
    assert.equal(redisProblem(new BrokerError(problem)), problem);
  });
});
