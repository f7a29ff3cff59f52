import { createClient } from "@redis/client";
import { Queue } from "bullmq";
import { waitFor } from "../support/wait.ts";
import type { OpenStage } from "./stage.ts";
import { redis } from "./workloads.ts";

/** What a worker wrote of one job. */
type Line = Readonly<{ kind: string; t: string; job: string; worker: string }>;
/** The jobs of a journal, in the order in which they were begun, ended, and cut off. */
export type Journal = Readonly<Record<"begun" | "ended" | "killed", readonly Line[]>>;
export type Room = Awaited<ReturnType<typeof openRoom>>;

type Pods = { items: readonly { status: { containerStatuses?: readonly { ready: boolean }[] } }[] };

type Size = Readonly<{ at: bigint; replicas: number }>;

/** A namespace with a Redis of its own, which this process reaches too. */
export async function openRoom(stage: OpenStage) {
  const { name, [Symbol.asyncDispose]: remove } = await stage.namespace();
  await stage.apply(redis(stage.journal), name);
  await stage.kubectl(["wait", "-n", name, "--for=condition=Ready", "pod/redis", "--timeout=120s"]);
  const url = `redis://${await stage.reach(name, "redis", 6379)}/0`;
  const client = createClient({ url }).on("error", () => {});
  await client.connect();
  const queues = new Map<string, Queue>();
  const queue = (of: string) => {
    const known = queues.get(of) ?? new Queue(of, { connection: client });
    queues.set(of, known);
    return known;
  };

  return {
    name,
    client,
    queue,
    /** Each takes `ms`. Resolves with the time at which they were sent, on the clock of `process.hrtime.bigint`. */
    addBullmq: async (to: string, jobs: readonly Readonly<{ ms: number }>[]) => {
      const sent = process.hrtime.bigint();
      await queue(to).addBulk(jobs.map((data) => ({ name: "work", data, opts: { removeOnComplete: true } })));
      return sent;
    },
    /** As a real producer does, from a pod that has Celery: one after the other. Resolves with the time of the first. */
    addCelery: async (tasks: readonly Readonly<Record<string, unknown>>[]) => {
      const produce = ["exec", "-i", "-n", name, "redis", "--", "python3", "produce.py"];
      return BigInt(await stage.kubectl(produce, JSON.stringify(tasks)));
    },
    /** Pods of a Deployment with all containers ready; those that leave count until they have gone. */
    readyPods: async (app: string) => {
      const { items } = await stage.json<Pods>("get", "pods", "-n", name, "-l", `app=${app}`);
      return items.filter(({ status }) => status.containerStatuses?.every((each) => each.ready)).length;
    },
    /** The sizes that a Deployment was given, from now on, with the time of each on the clock of `process.hrtime.bigint`. */
    sizes: async (app: string): Promise<readonly Size[]> => {
      const sizes: Size[] = [];
      stage.watch(name, `deployment/${app}`, (object) => {
        const { spec } = object as { spec: { replicas?: number } };
        const replicas = spec.replicas ?? 0;
        if (sizes.at(-1)?.replicas !== replicas) sizes.push({ at: process.hrtime.bigint(), replicas });
      });
      await waitFor(`the first sight of ${app}`, () => sizes.length > 0, 30_000);
      return sizes;
    },
    /** What the workers of a Deployment wrote. */
    journal: async (app: string): Promise<Journal> => {
      const file = `/journal/${name}-${app}`;
      const text = await stage.kubectl(["exec", "-n", name, "redis", "--", "sh", "-c", `cat ${file} 2>/dev/null || true`]);
      const lines = text.split("\n").filter((line) => line !== "");
      const all = lines.map((line) => JSON.parse(line) as Line);
      const those = (kind: string) => all.filter((line) => line.kind === kind);
      return { begun: those("job.start"), ended: those("job.end"), killed: those("job.killed") };
    },
    [Symbol.asyncDispose]: async () => {
      for (const each of queues.values()) await each.close();
      client.destroy();
      await remove();
    },
  };
}
