import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@redis/client";
import { celery } from "../../../scalers/celery.ts";
import { redisBroker } from "../../../src/brokers/redis.ts";
import type { RedisReader } from "../../../src/brokers/redis-client.ts";
import type { Reading, Session, Worker } from "../../../src/core/contract.ts";
import { findPython } from "../python.ts";
import { readingOf } from "../reading.ts";
import { startRedis } from "../redis.ts";
import { kill, produceTasks, type StartedWorker, startCeleryWorker, until } from "./start.ts";

/** Why Celery cannot be tried here; undefined where it can. */
const found = await findPython();
export const skip = "missing" in found ? found.missing : false;
const python = "python" in found ? found.python : "";

export type Tasks = readonly Readonly<Record<string, unknown>>[];
export type CeleryLab = Awaited<ReturnType<typeof openCeleryLab>>;
type Fields = Readonly<Record<string, unknown>>;
type Env = Readonly<Record<string, string>>;

/** A broker of a test's own. */
type Broker<Client> = Readonly<{
  /** Tells the app where it is. */
  env: Env;
  open(signal: AbortSignal): Promise<Session<Client>>;
  /** Takes all tasks out. */
  clear(): Promise<unknown>;
  stop(): Promise<unknown>;
}>;

/** A Redis of its own with a session of ours to it, real producers and real workers. */
export async function openCeleryLab() {
  const redis = await startRedis();
  const { url } = redis;
  const producer = createClient({ url });
  await producer.connect();
  const lab = await labOn<RedisReader>({
    env: { REDIS_URL: url },
    open: (signal) => redisBroker.open(redisBroker.settings.parse({ url }) as never, signal),
    clear: () => producer.sendCommand(["FLUSHALL"]),
    async stop() {
      producer.destroy();
      await redis.stop();
    },
  });
  return {
    ...lab,
    url,
    command: (...words: string[]) => producer.sendCommand(words),
    count: async (...words: string[]) => Number(await producer.sendCommand(words)),
  };
}

/** Real producers and workers on this broker, and a session of ours. */
export async function labOn<Client extends Parameters<typeof celery.read>[0]>({ env, open, clear, stop }: Broker<Client>) {
  const folder = await mkdtemp(join(tmpdir(), "worktide-celery-"));
  const started: StartedWorker[] = [];
  let session: Session<Client>;
  let last: Reading | undefined;
  const soon = () => AbortSignal.timeout(30_000);
  const query = (fields: Fields = {}) => celery.query.parse(fields) as never;

  const read = async (fields: Fields = {}): Promise<Reading> => {
    last = await readingOf(async () => (await celery.read(session.client, [query(fields)], soon()))[0]);
    return last;
  };

  return {
    read,
    client: () => session.client,
    query,
    produce: (tasks: Tasks, more: Env = {}) => produceTasks(python, { ...env, ...more }, tasks),
    begin(id: string, options: readonly string[] = [], more: Env = {}): StartedWorker {
      const journal = join(folder, "jobs");
      const worker = startCeleryWorker(python, id, { ...env, WORKTIDE_TEST_JOURNAL: journal, ...more }, options);
      started.push(worker);
      return worker;
    },
    /** A file that tasks wait for, which is not there yet. */
    release() {
      const file = join(folder, `release-${crypto.randomUUID()}`);
      return { file, now: () => writeFile(file, "") };
    },
    /** The first reading that fits. */
    reading: (what: string, fits: (reading: Reading) => boolean, fields: Fields = {}): Promise<Reading> =>
      until(
        what,
        async () => {
          const reading = await read(fields);
          return fits(reading) && reading;
        },
        () => ({ last, output: started.map((worker) => worker.output().slice(-600)) }),
      ),
    /** A quieted worker, in a reading that it has answered: of one that is late it is not told what it holds. */
    async quieted(id: string): Promise<Readonly<{ reading: Reading; worker: Worker }>> {
      const find = (reading: Reading | undefined) => reading?.workers?.find((worker) => worker.id === id && worker.quiet);
      const reading = await until(
        `${id} shows what it holds`,
        async () => find(await read()) && last,
        () => last,
      );
      return { reading, worker: find(reading) as Worker };
    },
    quiet: (worker: string, on: boolean, fields: Fields = {}) =>
      celery.quiet?.(session.client, query(fields), worker, on, soon()),
    async journal(): Promise<readonly Readonly<{ kind: string; job: string; worker: string; pid: number }>[]> {
      const text = await readFile(join(folder, "jobs"), "utf8").catch(() => "");
      return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
    },
    /** A session that has heard nothing yet, as after a restart of ours. */
    async forget(): Promise<void> {
      await session[Symbol.asyncDispose]();
      session = await open(soon());
    },
    /** No workers, an empty broker, and a session that has heard nothing yet. */
    async reset(): Promise<void> {
      await Promise.all(started.splice(0).map(kill));
      await clear();
      await session?.[Symbol.asyncDispose]();
      session = await open(soon());
      await rm(join(folder, "jobs"), { force: true });
    },
    async close(): Promise<void> {
      await Promise.all(started.splice(0).map(kill));
      await session?.[Symbol.asyncDispose]();
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Who has how much in hand. */
export const busy = ({ workers }: Reading) => Object.fromEntries((workers ?? []).map(({ id, busy }) => [id, busy]));
export const names = ({ workers }: Reading) => (workers ?? []).map(({ id }) => id).sort();
