import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { Agent, type Dispatcher, request } from "undici";
import { freePort } from "../../src/services/free-port.ts";
import { findRabbit, type RabbitProgram, type RabbitSeries } from "./rabbitmq-program.ts";

const run = promisify(execFile);

/** Lines for rabbitmq.conf beside ours, and plugins beside the management one. */
export type RabbitOptions = Readonly<{
  series?: RabbitSeries;
  config?: readonly string[];
  plugins?: readonly string[];
  /** TLS only, on both ports: the certificates come by `config`. */
  tls?: boolean;
}>;

/** A RabbitMQ server for one test file: on the loopback, with ports, an epmd and a folder of its own. */
export interface TestRabbit extends AsyncDisposable {
  /** Of the vhost "/", without a login: guest may log in from here. */
  readonly url: string;
  readonly port: number;
  /** Of the management API, without a slash at its end. */
  readonly managementUrl: string;
  stop(): Promise<void>;
  kill9(): Promise<void>;
  /** Kills it (or lets it end in order) and starts it again at the same ports, with what it kept on disk, or without. */
  restart(change?: Readonly<{ config?: readonly string[]; wipe?: boolean; inOrder?: boolean }>): Promise<void>;
  /** Freezes it: the kernel still acknowledges, nothing answers. */
  stopProcess(): void;
  contProcess(): void;
  /** The management API as guest; what it answers in JSON. Throws unless it is a success. */
  api(method: string, path: string, body?: unknown): Promise<unknown>;
  /** `rabbitmqctl`, for what the API cannot do. Takes about 2 s. */
  ctl(...words: string[]): Promise<string>;
  logTail(): string;
}

const running = new Set<ChildProcess>();
// A test run that is interrupted leaves nothing behind.
process.once("exit", () => {
  for (const child of running) signal(child, "SIGKILL");
});

/** Why there is no RabbitMQ for tests; false where there is one. The first call on a machine fetches it. */
export async function skipWithoutRabbit(series?: RabbitSeries): Promise<string | false> {
  const found = await findRabbit(series);
  return "missing" in found ? found.missing : false;
}

type Place = Readonly<{ dir: string; port: number; http: number; dist: number; epmdPort: number }>;

/** Starts one; `await using` or {@link TestRabbit.stop} ends it. */
export async function startRabbit(options: RabbitOptions = {}): Promise<TestRabbit> {
  const found = await findRabbit(options.series);
  if ("missing" in found) throw new Error(found.missing);
  const { program } = found;
  const dir = await mkdtemp(join(tmpdir(), "worktide-rabbitmq-"));
  const [port, http, dist, epmdPort] = await fourPorts();
  const place = { dir, port, http, dist, epmdPort };
  const env = environment(program, place);
  const epmd = start(program.epmd, ["-port", String(epmdPort), "-address", "127.0.0.1"], env);
  let { config = [] } = options;
  let server = await launch(program, place, env, { ...options, config });
  const kill9 = async () => {
    signal(server.child, "SIGKILL");
    await server.exited;
  };
  const stop = async () => {
    await kill9();
    signal(epmd, "SIGKILL");
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  const managementUrl = `${options.tls ? "https" : "http"}://127.0.0.1:${http}`;
  return {
    url: `${options.tls ? "amqps" : "amqp"}://127.0.0.1:${port}`,
    port,
    managementUrl,
    stop,
    [Symbol.asyncDispose]: stop,
    kill9,
    async restart(change = {}) {
      // A quorum queue that is some seconds old does not survive kill -9: its name is written down late.
      if (change.inOrder) {
        signal(server.child, "SIGTERM");
        await server.exited;
      } else await kill9();
      config = change.config ?? config;
      if (change.wipe) await rm(join(dir, "mnesia"), { recursive: true, force: true, maxRetries: 5 });
      server = await launch(program, place, env, { ...options, config });
    },
    stopProcess: () => signal(server.child, "SIGSTOP"),
    contProcess: () => signal(server.child, "SIGCONT"),
    api: (method, path, body) => callApi(managementUrl, method, path, body),
    ctl: async (...words) => (await run(program.ctl, words, { env })).stdout,
    logTail: () => server.log.join("\n"),
  };
}

async function fourPorts(): Promise<readonly [number, number, number, number]> {
  // One after the other: each is still bound while the next one is asked for only if the system says so.
  const ports = new Set<number>();
  while (ports.size < 4) ports.add(await freePort());
  const [a = 0, b = 0, c = 0, d = 0] = ports;
  return [a, b, c, d];
}

function environment(program: RabbitProgram, { dir, dist, epmdPort, port }: Place): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PATH: [program.path, process.env["PATH"]].filter(Boolean).join(delimiter),
    HOME: dir,
    LC_ALL: "C.UTF-8",
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    ERL_CRASH_DUMP_SECONDS: "0",
    RABBITMQ_NODENAME: `test-${port}@localhost`,
    RABBITMQ_DIST_PORT: String(dist),
    RABBITMQ_MNESIA_BASE: join(dir, "mnesia"),
    RABBITMQ_LOG_BASE: join(dir, "log"),
    RABBITMQ_LOGS: "-",
    RABBITMQ_PID_FILE: join(dir, "pid"),
    RABBITMQ_CONFIG_FILE: join(dir, "rabbitmq.conf"),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(dir, "advanced.config"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, "enabled_plugins"),
    RABBITMQ_CONF_ENV_FILE: "/dev/null",
    // No spinning: the machine is shared with what is tested.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "+sbwt none +sbwtdcpu none +sbwtdio none",
  };
}

type Server = Readonly<{ child: ChildProcess; exited: Promise<unknown>; log: readonly string[] }>;

async function launch(
  program: RabbitProgram,
  { dir, port, http }: Place,
  env: NodeJS.ProcessEnv,
  { config = [], plugins = [], tls = false }: RabbitOptions,
): Promise<Server> {
  const kind = tls ? "ssl" : "tcp";
  const lines = [
    ...(tls ? ["listeners.tcp = none"] : []),
    `listeners.${kind}.1 = 127.0.0.1:${port}`,
    `management.${kind}.ip = 127.0.0.1`,
    `management.${kind}.port = ${http}`,
    "disk_free_limit.absolute = 1MB",
    ...config,
  ];
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, "rabbitmq.conf"), `${lines.join("\n")}\n`);
  await writeFile(join(dir, "advanced.config"), "[{kernel,[{inet_dist_use_interface,{127,0,0,1}}]}].\n");
  await writeFile(join(dir, "enabled_plugins"), `[${["rabbitmq_management", ...plugins].join(",")}].\n`);
  const child = start(program.server, [], env);
  const exited = once(child, "close").catch(() => {});
  const log: string[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input: input as NodeJS.ReadableStream }).on("line", (line) => {
      log.push(line);
      log.splice(0, log.length - 200);
      if (line.includes("Server startup complete")) resolve();
    });
  }
  void exited.then(() => reject(new Error("it ended at once")));
  const late = setTimeout(() => reject(new Error("it was not up within 120 s")), 120_000);
  try {
    await promise;
  } catch (cause) {
    signal(child, "SIGKILL");
    throw new Error(`starting RabbitMQ: ${log.slice(-20).join(" · ")}`, { cause });
  } finally {
    clearTimeout(late);
  }
  return { child, exited, log };
}

/** In a process group of its own: a signal reaches the script, Erlang and its children. */
function start(file: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const child = spawn(file, args, { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  child.once("close", () => running.delete(child)).once("error", () => running.delete(child));
  return child;
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch {
    // It has gone: what every caller wants to be sure of.
  }
}

/** Of a certificate that the test made nobody knows the authority. */
const trusting = new Agent({ connect: { rejectUnauthorized: false }, headersTimeout: 20_000 });

async function callApi(base: string, method: string, path: string, body: unknown): Promise<unknown> {
  const { statusCode, body: answer } = await request(`${base}/api/${path}`, {
    dispatcher: trusting,
    method: method as Dispatcher.HttpMethod,
    headers: { authorization: `Basic ${btoa("guest:guest")}`, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (statusCode >= 300) throw new Error(`${method} ${path}: ${statusCode} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}
