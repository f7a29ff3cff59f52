import { findRedis, type RedisProgram } from "../../src/services/find-redis.ts";
import { type RedisServer, type RedisServerOptions, startRedisServer } from "../../src/services/redis-server.ts";
import { freeze } from "./freeze.ts";

/** A Redis server for one test file. */
export interface TestRedis extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
  /** Dies at once, without a word to its clients. */
  kill9(): Promise<void>;
  /** A new, empty server on the same port (or with the data that it saved, where `args` ask for that). */
  restart(options?: Pick<RedisServerOptions, "args" | "upWhen">): Promise<void>;
  /** Freezes it: the kernel still acknowledges, nothing answers. */
  stopProcess(): void;
  contProcess(): void;
  logTail(): string;
}

type Options = Partial<Omit<RedisServerOptions, "program">>;

const around = { env: process.env, onProgress: (line: string) => console.error(line) };
let found: Promise<RedisProgram> | undefined;
const running = new Set<number>();
// A test run that is interrupted leaves nothing behind.
process.once("exit", () => {
  for (const pid of running) signal(pid, "SIGKILL");
});

/** Starts a Redis server on a free port of the loopback; `await using` or {@link TestRedis.stop} ends it. */
export async function startRedis(options: Options = {}): Promise<TestRedis> {
  found ??= findRedis(around);
  const program = await found;
  const begin = async (more: Options): Promise<RedisServer> => {
    const server = await startRedisServer({ ...around, program, ...options, ...more });
    running.add(server.pid);
    void server.exited.then(() => running.delete(server.pid));
    return server;
  };
  let server = await begin({});
  const stop = () => server.stop();
  return {
    get pid() {
      return server.pid;
    },
    url: server.url,
    port: server.port,
    stop,
    [Symbol.asyncDispose]: stop,
    kill9: async () => {
      signal(server.pid, "SIGKILL");
      await server.exited;
    },
    restart: async (more = {}) => {
      signal(server.pid, "SIGKILL");
      await server.exited;
      server = await begin({ ...more, port: server.port, dir: server.dir });
    },
    stopProcess: () => freeze(server.pid),
    contProcess: () => signal(server.pid, "SIGCONT"),
    logTail: () => server.logTail(),
  };
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has gone: what every caller wants to be sure of.
  }
}
