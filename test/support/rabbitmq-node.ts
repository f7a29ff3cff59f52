import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { freePort } from "../../src/services/free-port.ts";
import { findRabbit, type RabbitProgram, type RabbitSeries } from "./rabbitmq-program.ts";

/** What the nodes of one cluster have in common: a folder with their cookie, an epmd, and the free ports of each. */
export type House = AsyncDisposable & Readonly<{ program: RabbitProgram; home: string; epmdPort: number }>;

/** Where one node is: its ports and its folder. */
export type Place = Readonly<{ name: string; dir: string; port: number; http: number; dist: number }>;

/** A node that is up. */
export type Server = Readonly<{ child: ChildProcess; exited: Promise<unknown>; log: readonly string[] }>;

/** Lines for its rabbitmq.conf beside ours, and plugins beside the management one. */
export type NodeOptions = Readonly<{
  config?: readonly string[];
  plugins?: readonly string[];
  /** What only advanced.config takes of the application `rabbit`: "{channel_tick_interval,500}". */
  rabbit?: string;
  /** TLS only, on both ports: the certificates come by `config`. */
  tls?: boolean;
}>;

const running = new Set<ChildProcess>();
// A test run that is interrupted leaves nothing behind.
process.once("exit", () => {
  for (const child of running) signal(child, "SIGKILL");
});

/** Starts the epmd and finds the ports of so many nodes. */
export async function openHouse(
  nodes: number,
  series: RabbitSeries | undefined,
): Promise<House & Readonly<{ places: readonly Place[] }>> {
  const found = await findRabbit(series);
  if ("missing" in found) throw new Error(found.missing);
  const { program } = found;
  const home = await mkdtemp(join(tmpdir(), "worktide-rabbitmq-"));
  const [epmdPort = 0, ...ports] = await freePorts(1 + 3 * nodes);
  const places = Array.from({ length: nodes }, (_, index): Place => {
    const [port = 0, http = 0, dist = 0] = ports.slice(3 * index);
    return { name: `test-${port}@localhost`, dir: join(home, String(port)), port, http, dist };
  });
  const env = { ...process.env, ERL_EPMD_PORT: String(epmdPort) };
  const epmd = start(program.epmd, ["-port", String(epmdPort), "-address", "127.0.0.1"], env);
  const close = async () => {
    signal(epmd, "SIGKILL");
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  };
  return { program, home, epmdPort, places, [Symbol.asyncDispose]: close };
}

async function freePorts(wanted: number): Promise<readonly number[]> {
  // One after the other: each is still bound while the next one is asked for only if the system says so.
  const ports = new Set<number>();
  while (ports.size < wanted) ports.add(await freePort());
  return [...ports];
}

export function environment({ program, home, epmdPort }: House, { name, dir, dist }: Place): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PATH: [program.path, process.env["PATH"]].filter(Boolean).join(delimiter),
    HOME: home,
    LC_ALL: "C.UTF-8",
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    ERL_CRASH_DUMP_SECONDS: "0",
    RABBITMQ_NODENAME: name,
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

/** Starts one node; resolves when it is up. */
export async function launch(
  house: House,
  place: Place,
  { config = [], plugins = [], rabbit = "", tls = false }: NodeOptions,
): Promise<Server> {
  const { dir, port, http } = place;
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
  // Nodes of a cluster miss a frozen one sooner than in a minute; one that was only slow would never be let in again.
  const kernel = "{kernel,[{inet_dist_use_interface,{127,0,0,1}},{net_ticktime,15}]}";
  await writeFile(join(dir, "advanced.config"), `[${kernel},{rabbit,[${rabbit}]}].\n`);
  await writeFile(join(dir, "enabled_plugins"), `[${["rabbitmq_management", ...plugins].join(",")}].\n`);
  const child = start(house.program.server, [], environment(house, place));
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

export function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch {
    // It has gone: what every caller wants to be sure of.
  }
}
