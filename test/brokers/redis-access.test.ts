import assert from "node:assert/strict";
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { startRedis } from "../support/redis.ts";
import { makeCerts, redisCommand } from "../support/redis-topologies.ts";
import { needsRedis7 } from "../support/redis-version.ts";
import { problemOf, soon } from "../support/scaler-lab.ts";
import { lengths, oneAnswer, open } from "./support.ts";

const canary = "kanarienvogel-71";

describe("credentials of Redis", () => {
  it("are needed, are right or wrong, and never show", async () => {
    await using redis = await startRedis({ args: ["--requirepass", canary] });
    await using session = await open({ url: redis.url, password: canary });
    assert.deepEqual(await lengths(session.client, ["a"]), [0]);
    await using inUrl = await open({ url: redis.url.replace("//", `//default:${canary}@`) });
    assert.deepEqual(await lengths(inUrl.client, ["a"]), [0]);
    for (const settings of [{}, { password: `${canary}-wrong` }, { username: "nobody", password: canary }]) {
      const problem = await problemOf(open({ url: redis.url, ...settings }));
      assert.equal(problem.kind, "auth", problem.message);
      assert.ok(!problem.message.includes(canary), problem.message);
    }
  });

  it("that were revoked show in a new connection, whatever the old one still may", async () => {
    await using redis = await startRedis();
    await redisCommand(redis.port, "ACL", "SETUSER", "worktide", "on", `>${canary}`, "~*", "+@all");
    await using session = await open({ url: redis.url, username: "worktide", password: canary });
    await redisCommand(redis.port, "ACL", "SETUSER", "worktide", "resetpass", ">new");
    assert.equal((await problemOf(open({ url: redis.url, username: "worktide", password: canary }))).kind, "auth");
    await redisCommand(redis.port, "ACL", "DELUSER", "worktide");
    assert.equal((await session.lost).kind, "unreachable", "Redis closes the connections of a deleted user");
  });

  it("may leave out some keys: these are problems, the others are read, and each again once it may", async () => {
    await using redis = await startRedis();
    const command = (...words: string[]) => redisCommand(redis.port, ...words);
    const user = (...rules: string[]) => command("ACL", "SETUSER", "some", "on", ">pw", "+@all", ...rules);
    await user("~open:*");
    await command("RPUSH", "open:1", "x");
    await command("RPUSH", "shut:1", "x");
    await using session = await open({ url: redis.url, username: "some", password: "pw" });
    const keys = [...Array.from({ length: 50 }, () => "open:1"), "shut:1", "open:2", "shut:2"];
    const expected = [...Array.from({ length: 50 }, () => 1), "auth", 0, "auth"];
    assert.deepEqual(await lengths(session.client, keys), expected);
    await command("CONFIG", "RESETSTAT");
    assert.deepEqual(await lengths(session.client, keys), expected);
    const calls = /cmdstat_evalsha(?:_ro)?:calls=(\d+).*rejected_calls=(\d+)/.exec(String(await command("INFO", "commandstats")));
    assert.ok(Number(calls?.[1]) + Number(calls?.[2]) <= 3, "those that are shut are known by now, and asked alone");
    await user("~*");
    assert.deepEqual((await lengths(session.client, keys)).slice(-3), [1, 0, 0]);
  });

  it("without INFO still read; then each connection counts as data of its own", async () => {
    await using redis = await startRedis();
    await redisCommand(redis.port, "ACL", "SETUSER", "bare", "on", ">pw", "~*", "+@all", "-info", "-ping", "-echo");
    const settings = { url: redis.url, username: "bare", password: "pw" };
    await using one = await open(settings);
    await using two = await open(settings);
    const answers = [await oneAnswer(one.client, "a"), await oneAnswer(one.client, "a"), await oneAnswer(two.client, "a")];
    const [a, b, c] = answers.map((answer) => ("value" in answer ? answer.epoch : answer.problem.kind));
    assert.equal(a, b);
    assert.notEqual(a, c);
    assert.deepEqual(await one.client.command(["TYPE", "a"], soon()), "none");
  });

  it("beyond the server's limit of clients are told as that", async () => {
    await using redis = await startRedis({ args: ["--maxclients", "2"] });
    await using one = await open({ url: redis.url });
    await using _two = await open({ url: redis.url });
    assert.equal((await problemOf(open({ url: redis.url }))).kind, "limit");
    assert.deepEqual(await lengths(one.client, ["a"]), [0]);
  });
});

describe("TLS to Redis", { skip: needsRedis7 }, () => {
  it("trusts what it is told to trust, checks the name, and reads its files at each dial", async (t) => {
    await using certs = await makeCerts();
    if (!certs) return t.skip("openssl is not installed");
    const { caFile, certFile, keyFile, otherCaFile } = certs;
    const files = ["--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", caFile];
    await using redis = await startRedis({ tls: true, args: [...files, "--tls-auth-clients", "yes"] });
    const client = { certFile, keyFile, insecureSkipVerify: false };
    const dial = (tls: object) => open({ url: redis.url, tls: { ...client, ...tls } });

    await using session = await dial({ caFile });
    assert.deepEqual(await lengths(session.client, ["a"]), [0]);
    await using _named = await dial({ caFile, serverName: "localhost" });
    await using _blind = await dial({ insecureSkipVerify: true });
    const [ca, cert, key] = [readFile(caFile, "utf8"), readFile(certFile, "utf8"), readFile(keyFile, "utf8")];
    const texts = { ca: await ca, cert: await cert, key: await key, insecureSkipVerify: false };
    await using _fromSecrets = await open({ url: redis.url, tls: texts });
    for (const wrong of [{}, { caFile: otherCaFile }, { caFile, serverName: "other.example" }, { caFile: "/no/such/file" }]) {
      const problem = await problemOf(dial(wrong));
      assert.equal(problem.kind, "tls", `${JSON.stringify(wrong)}: ${problem.message}`);
    }
    assert.match((await problemOf(dial({ caFile: "/no/such/file" }))).message, /\/no\/such\/file/);
    const without = await problemOf(open({ url: redis.url, tls: { caFile, insecureSkipVerify: false } }));
    assert.ok(["tls", "unreachable"].includes(without.kind), "a client without certificate is turned away");

    const dir = await mkdtemp(join(tmpdir(), "worktide-rotate-"));
    const rotated = join(dir, "ca.crt");
    await copyFile(otherCaFile, rotated);
    assert.equal((await problemOf(dial({ caFile: rotated }))).kind, "tls");
    await copyFile(caFile, rotated);
    await using _again = await dial({ caFile: rotated });
    await rm(dir, { recursive: true });
  });

  it("to a server without it, and plain to one with it, fail in time", async (t) => {
    await using certs = await makeCerts();
    if (!certs) return t.skip("openssl is not installed");
    await using plain = await startRedis();
    const tls = { caFile: certs.caFile, insecureSkipVerify: false };
    const problem = await problemOf(open({ url: plain.url.replace("redis:", "rediss:"), tls }, 2000));
    assert.ok(["tls", "unreachable", "timeout"].includes(problem.kind), problem.message);
    const files = ["--tls-cert-file", certs.certFile, "--tls-key-file", certs.keyFile, "--tls-ca-cert-file", certs.caFile];
    await using secured = await startRedis({ tls: true, args: files });
    const other = await problemOf(open({ url: secured.url.replace("rediss:", "redis:") }, 2000));
    assert.ok(["unreachable", "timeout"].includes(other.kind), other.message);
  });
});
