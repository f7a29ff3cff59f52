import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Queue } from "bullmq";
import { type House, insertJobs, type StageOptions } from "./house.ts";
import { celeryFolder } from "./pools.ts";

export type Enqueue = Readonly<{
  /** Not before so many ms; never, as far as the test goes. */
  delayMs?: number;
  /** They go on until this file is there. */
  until?: string;
  /** It kills the worker that takes it. */
  poison?: boolean;
}>;

/** Puts jobs into the queues of a stage. */
export type Load = Readonly<{
  enqueue(pool: string, jobs: number, ms: number, more?: Enqueue): Promise<void>;
  /** BullMQ's own pause of a queue. */
  pauseQueue(pool: string, paused: boolean): Promise<void>;
  /** Jobs that were put in and will come to an end. */
  put(): number;
}>;

export function createLoad(
  { pools, workerEnv }: StageOptions,
  { admin, redis, database }: House,
  undo: AsyncDisposableStack,
): Load {
  const queues = new Map<string, Queue>();
  for (const { name, kind } of pools) {
    if (kind !== "bullmq") continue;
    const queue = new Queue(name, { connection: admin as never });
    queue.on("error", () => {});
    queues.set(name, queue);
    undo.defer(() => queue.close().catch(() => {}));
  }
  let put = 0;
  return {
    put: () => put,
    async enqueue(name, jobs, ms, { delayMs, poison, until } = {}) {
      const { kind, command } = pools.find((one) => one.name === name) ?? {};
      const python = kind === "celery" ? command?.[0] : undefined;
      // Neither is waited for: one is not due, the other never ends.
      if (delayMs === undefined && !poison) put += jobs;
      if (python !== undefined) return enqueueCelery(python, { REDIS_URL: redis.url, ...workerEnv }, jobs, { ms, until });
      if (kind === "table") return void (await database?.sql(insertJobs(name, new Array<object>(jobs).fill({ ms, until }))));
      const opts = { removeOnComplete: 50, removeOnFail: 50, attempts: 3, ...(delayMs && { delay: delayMs }) };
      const data = { ms, ...(until && { until }), ...(poison && { exit: true }) };
      await queues.get(name)?.addBulk(Array.from({ length: jobs }, () => ({ name: "job", data, opts })));
    },
    async pauseQueue(name, paused) {
      const queue = queues.get(name);
      await (paused ? queue?.pause() : queue?.resume());
    },
  };
}

type Task = Readonly<{ ms: number; until: string | undefined }>;

async function enqueueCelery(python: string, env: NodeJS.ProcessEnv, tasks: number, { ms, until }: Task): Promise<void> {
  const script = `from tasks import work\nfor _ in range(${tasks}): work.delay(${ms}, ${until ? JSON.stringify(until) : "None"})`;
  await promisify(execFile)(python, ["-c", script], { cwd: celeryFolder, env: { ...process.env, ...env } });
}
