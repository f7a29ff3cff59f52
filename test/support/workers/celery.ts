import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@redis/client";
import { celery } from "../../../scalers/celery.ts";
import { redisBroker } from "../../../src/brokers/redis.ts";
import type { RedisReader } from "../../../src/brokers/redis-client.ts";
import type { Reading, Session } from "../../../src/core/contract.ts";
import { findPython } from "../python.ts";
import { startRedis } from "../redis.ts";
import { kill, produceTasks, type StartedWorker, startCeleryWorker, until } from "./start.ts";

/** Why Celery cannot be tried here; undefined where it can. */
const found = await findPython();
export const skip = "missing" in found ? found.missing : false;
const python = "python" in found ? found.python : "";

export type Tasks = readonly Readonly<Record<string, unknown>>[];
export type CeleryLab = Awaited<ReturnType<typeof openCeleryLab>>;

/** A Redis of its own with a session of ours to it, real producers and real workers. */
export async function openCeleryLab() {
  const redis = await startRedis();
  const { url } = redis;
  const producer = createClient({ url });
  await producer.connect();
  const folder = await mkdtemp(join(tmpdir(), "worktide-celery-"));
  const started: StartedWorker[] = [];
  let session: Session<RedisReader>;
  let last: Reading | undefined;
  const soon = () => AbortSignal.timeout(30_000);
  const query = (fields: Readonly<Record<string, unknown>> = {}) => celery.query.parse(fields) as never;

  const read = async (fields: Readonly<Record<string, unknown>> = {}): Promise<Reading> => {
    const [result] = await celery.read(session.client, [query(fields)], soon());
    assert.ok(result && "reading" in result, JSON.stringify(result));
    last = result.reading;
    return result.reading;
  };

  return {
    url,
    read,
    client: () => session.client,
    query,
    command: (...words: string[]) => producer.sendCommand(words),
    count: async (...words: string[]) => Number(await producer.sendCommand(words)),
    produce: (tasks: Tasks, env: Readonly<Record<string, string>> = {}) =>
      produceTasks(python, { REDIS_URL: url, ...env }, tasks),
    begin(id: string, options: readonly string[] = [], env: Readonly<Record<string, string>> = {}): StartedWorker {
      const journal = join(folder, "jobs");
      const worker = startCeleryWorker(python, id, { REDIS_URL: url, WORKTIDE_TEST_JOURNAL: journal, ...env }, options);
      started.push(worker);
      return worker;
    },
    /** The first reading that fits. */
    reading: (
      what: string,
      fits: (reading: Reading) => boolean,
      fields: Readonly<Record<string, unknown>> = {},
    ): Promise<Reading> =>
      until(
        what,
        async () => {
          const reading = await read(fields);
          return fits(reading) && reading;
        },
        () => ({ last, output: started.map((worker) => worker.output().slice(-600)) }),
      ),
    quiet: (worker: string, on: boolean, fields: Readonly<Record<string, unknown>> = {}) =>
      celery.quiet?.(session.client, query(fields), worker, on, soon()),
    async journal(): Promise<readonly Readonly<{ kind: string; job: string; worker: string; pid: number }>[]> {
      const text = await readFile(join(folder, "jobs"), "utf8").catch(() => "");
      return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
    },
    /** A session that has heard nothing yet, as after a restart of ours. */
    async forget(): Promise<void> {
      await session[Symbol.asyncDispose]();
      session = await redisBroker.open(redisBroker.settings.parse({ url }) as never, soon());
    },
    /** No workers, an empty Redis, and a session that has heard nothing yet. */
    async reset(): Promise<void> {
      await Promise.all(started.splice(0).map(kill));
      await producer.sendCommand(["FLUSHALL"]);
      await session?.[Symbol.asyncDispose]();
      session = await redisBroker.open(redisBroker.settings.parse({ url }) as never, soon());
      await rm(join(folder, "jobs"), { force: true });
    },
    async close(): Promise<void> {
      await Promise.all(started.splice(0).map(kill));
      await session?.[Symbol.asyncDispose]();
      producer.destroy();
      await redis.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Who has how much in hand. */
export const busy = ({ workers }: Reading) => Object.fromEntries((workers ?? []).map(({ id, busy }) => [id, busy]));
export const names = ({ workers }: Reading) => (workers ?? []).map(({ id }) => id).sort();
