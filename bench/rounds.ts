import { setTimeout as sleep } from "node:timers/promises";
import { startProxy } from "../test/support/proxy.ts";
import type { Bench, Context } from "./context.ts";
import { digits, median } from "./figures.ts";
import { type House, startMany } from "./house.ts";
import { usageOf } from "./proc.ts";
import { type BenchRedis, startRedis } from "./redis.ts";

/** One measure of so many triggers at rest; all per round. */
type Measure = Readonly<{
  cpuMs: number;
  /** Share of one core. */
  core: number;
  roundMs: number;
  redisMs: number;
  scriptMs: number;
  chunks: number;
  p99Ms: number;
  longestMs: number;
  commands: number;
  connections: number;
  rssMiB: number;
}>;

/** The collection that tidies up after the start, and the two that V8 makes behind it, are over. */
const settleMs = 45_000;

/** So many triggers, on so many ScaledWorkers. */
type Shape = Readonly<{ size: number; workers: number }>;

const small: Shape = { size: 10, workers: 10 };
const large: Shape = { size: 10_000, workers: 200 };

/** What a round costs at rest: nothing changes, every trigger is read once in a second. */
export const rounds: Bench = async (context) => {
  const shapes = [small, { size: 100, workers: 100 }, { size: 1_000, workers: 1_000 }, large, { size: 10_000, workers: 10_000 }];
  const repeats = context.quick ? 1 : context.repeats;
  await using redis = await startRedis();
  const measured = new Map<Shape, Measure[]>(shapes.map((shape) => [shape, []]));
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const shape of shapes) {
      const measure = await measureRest(redis, shape, context);
      measured.get(shape)?.push(measure);
      const { size, workers } = shape;
      context.say(`rounds: ${size} triggers on ${workers}: ${digits(measure.cpuMs)} ms a round, ${digits(measure.rssMiB)} MiB`);
    }
  }
  const trips = new Map<Shape, number>();
  for (const shape of [small, large]) trips.set(shape, await roundTrips(redis, shape));
  const rows = shapes.map((shape) => {
    const of = (key: keyof Measure) => median((measured.get(shape) ?? []).map((measure) => measure[key]));
    const longest = Math.max(...(measured.get(shape) ?? []).map(({ longestMs }) => longestMs));
    return [
      digits(shape.size),
      digits(shape.workers),
      digits(of("cpuMs")),
      `${digits(of("core") * 100)} %`,
      digits(of("roundMs")),
      digits(of("redisMs")),
      digits(of("scriptMs")),
      digits(of("chunks")),
      digits(of("p99Ms")),
      digits(longest),
      digits(of("commands")),
      trips.has(shape) ? digits(trips.get(shape) ?? 0) : "",
      digits(of("connections")),
      digits(of("rssMiB")),
    ];
  });
  return [
    {
      title: "Cost of a round at rest, by triggers on one Redis",
      note:
        "Redis list triggers at the default interval of 1 s, nothing changing, a minute after the start. CPU: of the whole process, " +
        "per round, everything that it does in that second included. Goals at 10,000: CPU ≤ 20 ms, core ≤ 5 %, Redis CPU ≤ 20 ms, " +
        `chunk ≤ 2 ms, 1 connection, RSS ≤ 150 MiB. Medians of ${repeats}.`,
      head: [
        "triggers",
        "ScaledWorkers",
        "CPU ms",
        "of a core",
        "duration ms",
        "Redis CPU ms",
        "in scripts ms",
        "chunks",
        "chunk p99 ms",
        "longest chunk ms",
        "commands",
        "round trips",
        "connections",
        "RSS MiB",
      ],
      rows,
    },
  ];
};

async function fill(redis: BenchRedis, size: number): Promise<void> {
  await redis.send("FLUSHALL");
  const commands = Array.from({ length: size }, (_, i) => [
    "RPUSH",
    `queue:${i}`,
    ...Array.from({ length: 1 + (i % 5) }, () => "job"),
  ]);
  await redis.all(commands);
}

async function measureRest(redis: BenchRedis, { size, workers }: Shape, { quick }: Context): Promise<Measure> {
  await fill(redis, size);
  await using house = await startMany(redis.url, workers, size / workers);
  await settled(house, size);
  await redis.send("CONFIG", "SET", "slowlog-log-slower-than", 200);
  await redis.send("CONFIG", "SET", "slowlog-max-len", 10_000);
  await redis.send("SLOWLOG", "RESET");
  await redis.send("CONFIG", "RESETSTAT");
  const before = await look(redis, house);
  await sleep(quick ? 21_000 : 31_000);
  const after = await look(redis, house);
  const rounds = after.rounds - before.rounds;
  const stats = await redis.info("commandstats");
  const script = statOf(stats["cmdstat_evalsha_ro"]);
  const all = Object.entries(stats).filter(([name]) => !/cmdstat_(info|config|slowlog|client\|list)/.test(name));
  // Within the window ours asked for INFO too: those of the rounds are two each.
  const commands = all.reduce((sum, [, text]) => sum + statOf(text).calls, 0) / rounds + 2;
  const latency = /p99=([\d.]+)/.exec((await redis.info("latencystats"))["latency_percentiles_usec_evalsha_ro"] ?? "")?.[1];
  const clients = String(await redis.send("CLIENT", "LIST"))
    .split("\n")
    .filter((line) => line.includes("name=worktide"));
  return {
    cpuMs: (after.cpuMs - before.cpuMs) / rounds,
    core: (after.cpuMs - before.cpuMs) / (after.at - before.at),
    roundMs: after.roundMs,
    redisMs: (after.redisMs - before.redisMs) / rounds,
    scriptMs: script.usec / 1000 / rounds,
    chunks: script.calls / rounds,
    p99Ms: Number(latency) / 1000,
    longestMs: await longestScript(redis),
    commands,
    connections: clients.length,
    rssMiB: after.rssMiB,
  };
}

/** Everything is declared and read, and what starting up left behind is collected. */
async function settled(house: House, size: number): Promise<void> {
  while ((await connectionOf(house)).triggers < size) await sleep(200);
  await sleep(settleMs);
}

async function connectionOf(house: House) {
  type State = Readonly<{ triggers: number; rounds: number; lastRoundMs?: number }>;
  const { connections } = (await house.get("/api/v1/connections")) as Readonly<{ connections: readonly State[] }>;
  return connections[0] ?? { triggers: 0, rounds: 0 };
}

async function look(redis: BenchRedis, house: House) {
  const { rounds, lastRoundMs = Number.NaN } = await connectionOf(house);
  const cpu = await redis.info("cpu");
  const redisMs = 1000 * (Number(cpu["used_cpu_user"]) + Number(cpu["used_cpu_sys"]));
  return { ...usageOf(house.pid), redisMs, rounds, roundMs: lastRoundMs, at: performance.now() };
}

function statOf(text: string | undefined): Readonly<{ calls: number; usec: number }> {
  const field = (name: string) => Number(new RegExp(`${name}=(\\d+)`).exec(text ?? "")?.[1] ?? 0);
  return { calls: field("calls"), usec: field("usec") };
}

/** ms, by wall clock: on a busy machine this counts what others took meanwhile. 0.2 at least. */
async function longestScript(redis: BenchRedis): Promise<number> {
  const entries = (await redis.send("SLOWLOG", "GET", 10_000)) as readonly [number, number, number, readonly string[]][];
  const scripts = entries.filter(([, , , words]) => words[0] === "EVALSHA_RO");
  return Math.max(0.2, ...scripts.map(([, , us]) => us / 1000));
}

/** By how much a round takes longer where every answer comes later, in units of that. */
async function roundTrips(redis: BenchRedis, { size, workers }: Shape): Promise<number> {
  const delayMs = 200;
  await fill(redis, size);
  await using proxy = await startProxy(() => redis.port);
  await using house = await startMany(`redis://127.0.0.1:${proxy.port}/0`, workers, size / workers);
  await settled(house, size);
  const direct = (await connectionOf(house)).lastRoundMs ?? Number.NaN;
  await proxy.set({ kind: "delay", ms: delayMs });
  await sleep(3000);
  const delayed = (await connectionOf(house)).lastRoundMs ?? Number.NaN;
  return (delayed - direct) / delayMs;
}
