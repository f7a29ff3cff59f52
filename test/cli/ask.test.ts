import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { patienceMs, waitFor } from "../support/wait.ts";
import { type House, type Life, type Outcome, openHouse } from "./house.ts";

/** A mistake of the user's is told in few words: no stack trace, nothing on the standard output. */
function refused({ code, stdout, stderr }: Outcome, expected: number, words: RegExp): void {
  assert.equal(code, expected, stderr);
  assert.match(stderr, words);
  assert.doesNotMatch(stderr, /^\s+at |node:internal/m);
  assert.equal(stdout, "");
}

describe("asking a running worktide", { timeout: 600_000 }, () => {
  let house: House;
  let life: Life;
  let name: string;
  before(async () => {
    house = await openHouse();
    name = house.nameOf("mails");
    await house.write(house.connection(), house.pool(name));
    life = await house.run();
    await house.hold(name, 2);
    await waitFor("2 jobs in hand, as worktide sees it", async () => {
      const { pool, busy, triggers, conditions } = await house.snapshot(life, name);
      const ready = conditions.find(({ type }) => type === "Ready")?.status;
      return pool?.ready === 2 && busy === 2 && triggers[0]?.waiting === 0 && ready === "True";
    });
  });
  after(() => house[Symbol.asyncDispose]());

  it("tells of every pool in a line, and in JSON", async () => {
    const { code, stdout, stderr } = await house.ask(["status", "-f", house.file]);
    assert.deepEqual([code, stderr], [0, ""]);
    const [head, row, ...rest] = stdout.trimEnd().split("\n");
    assert.match(head ?? "", /^NAME +WORKERS +WANTED +MAX +BUSY +WAITING +READY +REASON +CHANGED$/);
    assert.match(row ?? "", new RegExp(`^${name} +2 +2 +3 +2 +0 +True +\\w+ +.+$`));
    assert.deepEqual(rest, []);
    const json = JSON.parse((await house.ask(["status", "--json", "--url", life.url])).stdout);
    assert.deepEqual([json.version, json.workers.length, json.workers[0].pool.existing], [1, 1, 2]);
  });

  it("explains one, by its name with or without its namespace, or all", async () => {
    const own = await house.ask(["explain", name, "-f", house.file]);
    assert.equal(own.code, 0);
    assert.match(own.stdout, new RegExp(`^scaledworker/${name} \\(default\\)`));
    assert.match(own.stdout, /✔ Ready {3}2 of max 3/);
    assert.match(own.stdout, /\nWHY 2\n/);
    assert.match(own.stdout, /WHAT WOULD CHANGE IT\n/);
    assert.match(own.stdout, /LAST HOUR\n {2}\d\d:\d\d:\d\d {2}0 → /);
    const long = await house.ask(["explain", `default/${name}`, "-f", house.file]);
    const all = await house.ask(["explain", "-f", house.file]);
    for (const each of [long, all]) assert.equal(each.stdout.split("\n")[0], own.stdout.split("\n")[0]);
    const json = JSON.parse((await house.ask(["explain", name, "--json", "-f", house.file])).stdout);
    assert.equal(json.workers[0].decision.to, 2);
  });

  it("tells how old the oldest job is now, though nothing was decided since it came", async () => {
    const still = house.nameOf("still");
    await house.write(house.connection(), house.pool(name), house.pool(still, { spec: { mode: "Observe" } }));
    await house.hold(still, 1);
    const told = async () => (await house.ask(["explain", still, "-f", house.file])).stdout;
    await waitFor("an age of seconds", async () => /1 waiting, oldest [2-9](\.\d)? s /.test(await told()));
  });

  it("gives history as JSON lines: what was read, decided, done", async () => {
    const { code, stdout } = await house.ask(["history", name, "-f", house.file]);
    assert.equal(code, 0);
    const kinds = new Set(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).kind),
    );
    for (const kind of ["read", "decide", "write", "member"]) assert.ok(kinds.has(kind), `${kind} in ${[...kinds].join()}`);
  });

  it("writes no escape codes where nobody can see them", async () => {
    for (const env of [{}, { NO_COLOR: "1" }, { TERM: "dumb" }]) {
      for (const args of [["status"], ["explain", name]]) {
        const { stdout } = await house.ask([...args, "-f", house.file], env);
        assert.ok(!stdout.includes("\u001b"), args.join(" "));
      }
    }
    assert.ok(!life.said.join("").includes("\u001b"));
  });

  it("passes on no escape codes of others: of a file, and of what answers", async () => {
    const other = await openHouse();
    await using _ = other;
    await other.write(other.connection(), other.pool(other.nameOf("red"), { spec: { "\u001b[31mred": 1 } }));
    const { stdout } = await other.ask(["check", "-f", other.file]);
    assert.match(stdout, /`spec\.\\u001b\[31mred` is not a known field/);
    const problem = { kind: "invalid", message: "\u001b[31mred\nSIZE 0", since: new Date().toISOString(), count: 1 };
    const snapshot = await house.snapshot(life, name);
    const worker = { ...snapshot, triggers: snapshot.triggers.map((trigger) => ({ ...trigger, problem })) };
    const server = createServer((request, response) => {
      const known = request.url?.endsWith(`/${name}`);
      response.writeHead(known ? 200 : 404).end(JSON.stringify(known ? worker : { error: problem.message }));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const told = [await house.ask(["explain", name, "--url", url]), await house.ask(["explain", "nobody", "--url", url])];
    server.close();
    for (const { stdout: text, stderr } of told) {
      assert.match(text + stderr, /\\u001b\[31mred/);
      assert.ok(!(text + stderr).includes("\u001b"));
      assert.doesNotMatch(text, /^\s*SIZE 0/m);
    }
  });

  it("says what it does not know, with exit code 1", async () => {
    refused(await house.ask(["explain", "nobody", "-f", house.file]), 1, /^worktide: .*nobody.*\n$/);
    refused(await house.ask(["history", "nobody", "-f", house.file]), 1, /^worktide: .*nobody.*\n$/);
    refused(
      await house.ask(["status", "-f", "other/worktide.yaml"]),
      1,
      /^worktide: no Worktide runs for 'other\/worktide\.yaml'/,
    );
    refused(
      await house.ask(["status", "--url", "http://127.0.0.1:1"]),
      1,
      /^worktide: nothing answers at http:\/\/127\.0\.0\.1:1\n$/,
    );
    refused(await house.ask(["run", "-f", "missing.yaml"]), 1, /^worktide: cannot read 'missing\.yaml': there is no such file/);
    refused(await house.ask(["run", "-f", "."]), 1, /^worktide: cannot read '\.': it is a folder/);
  });

  it("takes words that it does not know for wrong usage, with exit code 2", async () => {
    refused(await house.ask(["stauts"]), 2, /unknown command 'stauts'[\s\S]*Did you mean status/);
    refused(await house.ask(["status", "--jsn"]), 2, /unknown option '--jsn'[\s\S]*Did you mean --json/);
    refused(await house.ask(["run", "-f", house.file, "--listen", "nowhere:port"]), 2, /listen/);
    refused(
      await house.ask(["explain", "a/b/c", "-f", house.file]),
      2,
      /^worktide: 'a\/b\/c' must be NAME or NAMESPACE\/NAME\n$/,
    );
    refused(await house.ask(["history"]), 2, /missing required argument 'name'/);
    refused(await house.ask(["run", "-f", house.file, "--log-level", "loud"]), 2, /loud/);
  });

  it("checks a file: 0 when all is well, 3 when something is not, with line and column", async () => {
    const good = await house.ask(["check", "-f", house.file, "--connect"]);
    assert.equal(good.code, 0, good.stdout);
    assert.match(good.stdout, new RegExp(`✔ default/${name}, ${name}: `));
    assert.doesNotMatch(good.stdout, /^!/m);
    await house.client.sendCommand(["CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", "1gb"]);
    const risky = await house.ask(["check", "-f", house.file, "--connect"]);
    assert.equal(risky.code, 0, risky.stdout);
    assert.match(risky.stdout, /^! default\/main: .*set `maxmemory-policy` to 'noeviction' \(found 'allkeys-lru'\)$/m);
    await house.client.sendCommand(["CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "0"]);
    const other = await openHouse();
    await using _ = other;
    await other.write(other.connection(), other.pool(other.nameOf("bad"), { min: 5, max: 3 }));
    const bad = await other.ask(["check", "-f", other.file]);
    assert.equal(bad.code, 3, bad.stdout);
    assert.match(bad.stdout, /^worktide\.yaml:\d+:\d+: error: .*min/);
    await other.write(other.connection().replace(`:${other.redis.port}`, ":1"), other.pool(other.nameOf("good")));
    const unreachable = await other.ask(["check", "-f", other.file, "--connect"]);
    assert.equal(unreachable.code, 3, unreachable.stdout);
    assert.match(unreachable.stdout, /✖ .*: [\s\S]*: the file is fine; 1 of 1 trigger does not answer\n$/);
  });

  it("answers 3 when something is found, but is not well", async () => {
    const broken = house.nameOf("broken");
    const text = house.pool(broken, { min: 1 }).replace(/"command": \[[^\]]*\]/, '"command": ["/no/such/program"]');
    const from = life.said.length;
    await house.write(house.connection(), house.pool(name), text);
    await life.says("the edited file is in force", patienceMs, from);
    await waitFor("it to be told", async () => (await house.snapshot(life, broken)).trouble?.reason === "CannotStart");
    assert.equal((await house.ask(["status", "-f", house.file])).code, 3);
    const { code, stdout } = await house.ask(["explain", broken, "-f", house.file]);
    assert.equal(code, 3);
    assert.match(stdout, /✖ CannotStart/);
    assert.match(stdout, /PROBLEM\n {2}CannotStart: there is no program "\/no\/such\/program"/);
    assert.equal((await house.ask(["explain", name, "-f", house.file])).code, 0);
  });

  it("prints its help and its version with exit code 0", async () => {
    const { code, stdout } = await house.ask(["--help"]);
    assert.equal(code, 0);
    assert.match(stdout, /Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 found, but not healthy/);
    for (const command of ["run", "check", "status", "explain", "history", "demo"]) {
      const help = await house.ask([command, "--help"]);
      assert.equal(help.code, 0);
      assert.match(help.stdout, /Examples:\n {2}worktide /, command);
    }
    assert.match((await house.ask(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
  });
});
