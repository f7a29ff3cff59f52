import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { waitFor } from "../support/wait.ts";
import { type House, type Life, openHouse } from "./house.ts";

/** Ctrl-C until it leaves: what follows the first within a second counts as the same request. */
async function hurriedAway(life: Life): Promise<number | string> {
  life.signal("SIGINT");
  await life.says("stopping");
  const again = setInterval(() => life.signal("SIGINT"), 300);
  return await life.exited.finally(() => clearInterval(again));
}

describe("worktide run", { timeout: 600_000 }, () => {
  let house: House;
  before(async () => {
    house = await openHouse();
  });
  // One that fails must not hold the state directory against those after it.
  afterEach(() => house.reap());
  after(() => house[Symbol.asyncDispose]());

  it("ends on SIGTERM with jobs in hand first, exit code 0, and no process left", async () => {
    const name = house.nameOf("term");
    await house.write(house.connection(), house.pool(name));
    const life = await house.run();
    const release = await house.hold(name, 3);
    await waitFor("3 jobs in hand", () => house.inHand(name) === 3);
    life.signal("SIGTERM");
    await life.says("stopping");
    await release();
    assert.equal(await life.exited, 0);
    assert.deepEqual(house.unfair(), []);
    assert.equal(house.done(name), 3);
    assert.deepEqual(house.alive(name), []);
    assert.equal(existsSync(join(house.folder, ".worktide", "running.json")), false, "the state directory is free again");
  });

  it("leaves workers to run at the second Ctrl-C, and the next run takes them over", async () => {
    const name = house.nameOf("twice");
    await house.write(house.connection(), house.pool(name));
    const life = await house.run();
    const before = house.done(name);
    const release = await house.hold(name, 2);
    await waitFor("2 jobs in hand", () => house.inHand(name) === 2);
    const ids = [...house.alive(name)].sort();
    assert.equal(await hurriedAway(life), 0);
    await life.says("stopped: workers with jobs in hand go on by themselves");
    assert.deepEqual([...house.alive(name)].sort(), ids, "they live on");
    const next = await house.run();
    await next.says("took over workers of an earlier run");
    assert.equal((await house.snapshot(next, name)).pool?.leaving, 2, "told to stop, and not gone before their jobs are done");
    await pause(2000); // ten looks at the queue, any of which could ask for others
    await release();
    const others = new Set<string>();
    await waitFor("both to be gone", () => {
      const left = house.alive(name);
      for (const id of left) if (!ids.includes(id)) others.add(id);
      return left.length === 0;
    });
    assert.deepEqual([...others], [], "jobs that the leaving finish themselves are no demand for others");
    assert.equal(house.done(name) - before, 2);
    assert.deepEqual(house.unfair(), []);
    next.signal("SIGTERM");
    assert.equal(await next.exited, 0);
  });

  it("ends workers that nothing declares any more, jobs in hand first, at the next start", async () => {
    const name = house.nameOf("gone");
    await house.write(house.connection(), house.pool(name));
    const life = await house.run();
    const before = house.done(name);
    const release = await house.hold(name, 2);
    await waitFor("2 jobs in hand", () => house.inHand(name) === 2);
    life.signal("SIGKILL");
    await life.exited;
    await house.write(house.connection(), house.pool(house.nameOf("other")));
    const next = await house.run();
    await next.says("ending workers that nothing declares any more");
    await release();
    await house.size(name, 0);
    assert.equal(house.done(name) - before, 2);
    assert.deepEqual(house.unfair(), []);
    await waitFor("its state to be gone", () => {
      const folder = join(house.folder, ".worktide", "pools", name);
      return !existsSync(folder) || readdirSync(folder).length === 0;
    });
    next.signal("SIGTERM");
    assert.equal(await next.exited, 0);
  });

  it("says of workers that were started in another environment why they go, and claims nothing of their hands", async () => {
    const name = house.nameOf("moved");
    await house.write(house.connection(), house.pool(name));
    const life = await house.run();
    const before = house.done(name);
    const release = await house.hold(name, 1);
    await waitFor("a job in hand", () => house.inHand(name) === 1);
    life.signal("SIGKILL");
    await life.exited;
    const next = await house.run([], { ANOTHER: "value" });
    await next.says("ending workers of another command or environment than is declared now");
    await next.says("waiting for 1 worker, of 1 it is not known whether a job is in hand");
    await release();
    await house.size(name, 0);
    assert.equal(house.done(name) - before, 1);
    next.signal("SIGTERM");
    assert.equal(await next.exited, 0);
  });

  it("forgets none of those when it is hurried away before they are gone", async () => {
    const name = house.nameOf("hurried");
    await house.write(house.connection(), house.pool(name));
    const life = await house.run();
    const release = await house.hold(name, 1);
    await waitFor("a job in hand", () => house.inHand(name) === 1);
    life.signal("SIGKILL");
    await life.exited;
    await house.write(house.connection(), house.pool(house.nameOf("other")));
    const ending = "ending workers that nothing declares any more";
    const second = await house.run();
    await second.says(ending);
    assert.equal(await hurriedAway(second), 0);
    const third = await house.run();
    await third.says(ending);
    await release();
    await house.size(name, 0);
    assert.equal(house.done(name), 1);
    third.signal("SIGTERM");
    assert.equal(await third.exited, 0);
  });

  it("ends though nobody reads what its workers write", async () => {
    const name = house.nameOf("loud");
    const talk = "setInterval(() => console.log('x'.repeat(60_000)), 10)";
    const target = { process: { command: [process.execPath, "-e", talk], logs: "Prefix" } };
    await house.write(house.connection(), house.pool(name, { min: 1, max: 1, spec: { target } }));
    const life = await house.run();
    await life.says("xxx");
    life.stall();
    const folder = join(house.folder, ".worktide", "pools", name);
    const written = () =>
      readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter((path) => path.endsWith(".log"))
        .reduce((sum, path) => sum + statSync(join(folder, path)).size, 0);
    const before = written();
    await waitFor("more than a pipe holds", () => written() > before + (4 << 20));
    life.signal("SIGTERM");
    assert.equal(await life.exited, 0);
    assert.deepEqual(house.alive(name), []);
  });

  it("says when history can be written no more, and where it never could, and goes on", async () => {
    const name = house.nameOf("full");
    await house.write(house.connection(), house.pool(name));
    const life = await house.run(["--history", "/dev/full"]);
    await life.says("history cannot be written: nothing more goes there");
    life.signal("SIGTERM");
    assert.equal(await life.exited, 0);
    const { code, stderr } = await house.ask(["run", "-f", house.file, "--history", house.folder]);
    assert.equal(code, 1);
    assert.match(stderr, /^worktide: cannot append history to '.*': EISDIR/);
  });

  it("has one controller for each state directory", async () => {
    await house.write(house.connection(), house.pool(house.nameOf("lock")));
    const life = await house.run();
    const second = await house.ask(["run", "-f", house.file, "--listen", "127.0.0.1:0"]);
    assert.equal(second.code, 1);
    assert.match(
      second.stderr,
      new RegExp(`^worktide: another worktide \\(pid ${life.pid}\\) already runs with the state .*--state\n$`),
    );
    const other = await house.run(["--state", join(house.folder, "other-state")]);
    for (const each of [life, other]) {
      each.signal("SIGTERM");
      assert.equal(await each.exited, 0);
    }
  });

  it("says in one sentence that a port is taken, and leaves no lock behind", async () => {
    await house.write(house.connection(), house.pool(house.nameOf("port")));
    const { code, stdout, stderr } = await house.ask(["run", "-f", house.file, "--listen", `127.0.0.1:${house.redis.port}`]);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(stderr, new RegExp(`^worktide: .*${house.redis.port}.*\n$`));
    const life = await house.run();
    life.signal("SIGTERM");
    assert.equal(await life.exited, 0);
  });

  it("does not fall over a reader that goes away", async () => {
    const name = house.nameOf("pipe");
    await house.write(house.connection(), house.pool(name));
    const life = await house.run();
    life.hangUp();
    const before = house.done(name);
    await house.add(name, 2, 300);
    await waitFor("jobs done by workers that it started after that", () => house.done(name) === before + 2);
    life.signal("SIGTERM");
    assert.equal(await life.exited, 0);
    assert.deepEqual(house.alive(name), []);
  });

  it("stops in good order when its terminal closes", async () => {
    const name = house.nameOf("hup");
    await house.write(house.connection(), house.pool(name));
    const life = await house.run();
    const release = await house.hold(name, 1);
    await waitFor("a job in hand", () => house.inHand(name) === 1);
    life.signal("SIGHUP");
    await life.says("stopping");
    await release();
    assert.equal(await life.exited, 0);
    assert.deepEqual(house.alive(name), []);
    assert.deepEqual(house.unfair(), []);
  });
});
