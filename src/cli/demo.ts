import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseDuration } from "../api/duration.ts";
import type { Parsed } from "../api/parse.ts";
import { cacheFolder, findPython } from "../services/python.ts";
import { startRedisServer } from "../services/redis-server.ts";
import { isSame, processes } from "../targets/process-identity.ts";
import { readDeclared } from "./declared.ts";
import { startDemoLoad } from "./demo-load.ts";
import { lockState } from "./lock.ts";
import { configOf, logOf, startOrExplain } from "./run.ts";
import { startWorktide } from "./start.ts";
import { UsageError } from "./usage-error.ts";
import type { World } from "./world.ts";

export type DemoFlags = Readonly<{ redis?: string; listen?: string; for?: string }>;

/** Two real queues with changing load, real workers, a page that shows them; until Ctrl-C, or for so long. */
export async function demoCommand(flags: DemoFlags, world: World): Promise<number> {
  const say = (text: string) => void world.stdout.write(`${text}\n`);
  const forMs = durationOf(flags.for);
  const config = configOf({ listen: flags.listen }, world);
  await using stack = new AsyncDisposableStack();

  const stateDir = join(cacheFolder(world.env), "demo");
  const lock = stack.use(lockState(stateDir, world));
  const [redis, python] = await Promise.all([
    flags.redis === undefined ? demoRedis(stateDir, say, world) : { url: flags.redis },
    findPython({ env: world.env, onProgress: say }),
  ]);
  if (Symbol.asyncDispose in redis) stack.use(redis);
  if (world.stop.aborted) return 0;
  const celery = "python" in python ? python.python : undefined;
  if ("missing" in python) say(`without the Celery pool: ${python.missing}`);

  const path = [dirname(world.self[0] ?? ""), ...(celery === undefined ? [] : [dirname(celery)]), world.env["PATH"] ?? ""];
  const env = { ...world.env, REDIS_URL: redis.url, PATH: path.join(delimiter) };
  const options = {
    parsed: declared(world, celery !== undefined),
    stateDir,
    listen: config.listen,
    log: logOf({ logLevel: config.logLevel, logFormat: config.logFormat ?? "pretty" }, world),
    output: () => {},
  };
  const running = await startOrExplain(() => startWorktide(options, { ...world, env }));
  stack.defer(() => running.close(world.hurry));
  lock.publish(running.url);
  stack.use(await startDemoLoad(redis.url, celery !== undefined));
  say(`\n  Look at  ${running.url}\n  Ctrl-C ends it: workers finish the jobs in hand first.\n`);
  await endOf(world.stop, forMs);
  say("ending: workers finish the jobs in hand");
  await stack.disposeAsync();
  say(world.hurry.aborted ? "ended at once" : "ended");
  return 0;
}

function durationOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined) throw new UsageError(`--for must be a duration such as '90s' or '5m'; found '${text}'`, 2);
  return ms;
}

/**
 * A Redis of the demo's own. The one of a demo that was killed is used again: its workers still have jobs there, and no
 * server is left behind for ever.
 */
async function demoRedis(stateDir: string, say: (text: string) => void, { env, stop }: World) {
  const file = join(stateDir, "redis.json");
  const left = readLeft(file);
  if (left !== undefined) return { url: left.url, [Symbol.asyncDispose]: async () => endLeft(left, file) };
  try {
    const server = await startRedisServer({ env, onProgress: say, signal: stop });
    const { pid, url } = server;
    writeFileSync(file, JSON.stringify({ pid, url, start: processes([pid])[0]?.start ?? "" }));
    return {
      url,
      async [Symbol.asyncDispose]() {
        await server.stop();
        rmSync(file, { force: true });
      },
    };
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}; or name one with --redis`, 1, { cause });
  }
}

type Left = Readonly<{ pid: number; url: string; start: string }>;

function readLeft(file: string): Left | undefined {
  try {
    const left = JSON.parse(readFileSync(file, "utf8")) as Left;
    return isSame(left.pid, left.start) ? left : undefined;
  } catch {
    return undefined; // no demo was killed
  }
}

function endLeft({ pid, start }: Left, file: string): void {
  if (isSame(pid, start)) process.kill(pid, "SIGTERM");
  rmSync(file, { force: true });
}

/** The documents of the example, which is the demo; without Celery where there is no Python for it. */
function declared(world: World, celery: boolean): Parsed {
  const parsed = readDeclared(exampleFile(), world);
  const [finding] = parsed.findings;
  if (finding !== undefined) throw new Error(`the demo's own example is wrong: ${finding.message}`);
  return celery ? parsed : { ...parsed, workers: parsed.workers.filter(({ name }) => name !== "reports") };
}

function exampleFile(): string {
  return fileURLToPath(new URL("../../examples/local/worktide.yaml", import.meta.url));
}

function endOf(stop: AbortSignal, forMs: number | undefined): Promise<void> {
  return new Promise((done) => {
    if (stop.aborted) return done();
    stop.addEventListener("abort", () => done(), { once: true });
    if (forMs !== undefined) setTimeout(done, forMs);
  });
}
