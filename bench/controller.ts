import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { clusterConnectionKind, connectionKind, scaledWorkerKind } from "../src/cluster/kinds.ts";
import { createClient, type KubeClient } from "../src/kube/client.ts";
import type { Kind, KubeObject } from "../src/kube/kube.ts";
import { watchList } from "../src/kube/watch-list.ts";
import { type ControlPlane, startControlPlane } from "../test/support/control-plane.ts";
import type { Bench } from "./context.ts";
import { digits } from "./figures.ts";
import { type House, startController } from "./house.ts";
import { eachOf, served } from "./kube.ts";
import { usageOf } from "./proc.ts";
import { type BenchRedis, startRedis } from "./redis.ts";

const deploymentKind: Kind = { apiVersion: "apps/v1", kind: "Deployment", plural: "deployments", namespaced: true };
const crds = fileURLToPath(new URL("../manifests/crds", import.meta.url));
const filling = 200;
/** What makes ReplicaSets of Deployments would write for minutes beside what is measured. */
const controllerManagerArgs = ["--kube-api-qps=500", "--kube-api-burst=1000"];
/** So long nobody writes: then the cluster is at rest. */
const quietMs = 5_000;

/** What the controller costs in a cluster, and how fast it is, by ScaledWorkers. */
export const controller: Bench = async ({ quick, say }) => {
  const rows: (readonly string[])[] = [];
  for (const workers of quick ? [1_000] : [1_000, 10_000]) {
    await using plane = await startControlPlane({ controllerManagerArgs });
    await using redis = await startRedis();
    await plane.kubectl(["apply", "--server-side", "-k", crds]);
    await using admin = await createClient({ access: { kubeconfig: [plane.kubeconfig] }, userAgent: "worktide-bench" });
    for (const kind of [scaledWorkerKind, connectionKind, clusterConnectionKind]) await served(admin, kind);
    await admin.create(connectionKind, { metadata: { name: "main", namespace: "default" }, spec: { redis: { url: redis.url } } });
    await make(admin, workers);
    await quiet(plane);
    const row = await measure({ plane, admin, redis }, workers, quick ? 15_000 : 60_000);
    say(`controller: ${workers} ScaledWorkers: ${row.join(" | ")}`);
    rows.push([digits(workers), ...row]);
  }
  return [
    {
      title: "The controller in a cluster, by ScaledWorkers",
      note:
        "A real kube-apiserver, etcd and kube-controller-manager on the same machine; a Deployment and a Redis list for each ScaledWorker, at the " +
        "default interval of 1 s. The built package, with flags and environment of the image, and the credentials of a pod. Decided: from the start of the process until it has decided on all of them; the first status of each is " +
        "written after that. At rest for 60 s: CPU of the process, RSS, and all writes that the API server got from anybody, those of Leases " +
        `left out. Filled: ${filling} queues at once, from just before until the last Deployment has its new size. ` +
        "Goals: 0 writes, 200 filled within 2 s; 10,000 decided within 60 s, RSS ≤ 400 MiB, ≤ 30 % of a core.",
      head: [
        "ScaledWorkers",
        "decided s",
        "all told s",
        "of a core",
        "RSS MiB",
        "writes at rest",
        "filled, half of them ms",
        "all ms",
      ],
      rows,
    },
  ];
};

async function make(admin: KubeClient, workers: number): Promise<void> {
  await eachOf(workers, async (index) => {
    const name = `pool-${index}`;
    const labels = { app: name };
    const containers = [{ name: "worker", image: "none", imagePullPolicy: "Never" }];
    await admin.create(deploymentKind, {
      metadata: { name, namespace: "default" },
      spec: { replicas: 0, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
    } as never);
  });
  await eachOf(workers, async (index) => {
    const name = `pool-${index}`;
    const redis = { list: { key: name, processing: [`${name}:taken`] } };
    const spec = {
      target: { kind: "Deployment", name },
      replicas: { min: 0, max: 50 },
      triggers: [{ name: "main", connection: "main", redis, goal: { waitingPerReplica: 20 } }],
    };
    await admin.create(scaledWorkerKind, { metadata: { name, namespace: "default" }, spec } as never);
  });
}

type Stage = Readonly<{ plane: ControlPlane; admin: KubeClient; redis: BenchRedis }>;
type Sized = KubeObject & Readonly<{ spec: Readonly<{ replicas?: number }> }>;
type Told = KubeObject & Readonly<{ status?: Readonly<{ reason?: string }> }>;

async function measure({ plane, admin, redis }: Stage, workers: number, restMs: number): Promise<readonly string[]> {
  await using told = watchList<Told, string>(admin, { kind: scaledWorkerKind }, ({ status }) => status?.reason ?? "");
  await using sizes = watchList<Sized, number>(admin, { kind: deploymentKind }, ({ spec }) => spec.replicas ?? 0);
  await Promise.all([told.synced, sizes.synced]);
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  await using house = await startController(plane);
  while ((await decided(house)) < workers) await pause(500);
  const decidedS = seconds();
  const untold = () => [...told.entries()].filter(([, reason]) => reason === "" || reason === "Starting").length;
  while (untold() > 0) await pause(500);
  const toldS = seconds();
  await quiet(plane);
  const [before, writesBefore] = [usageOf(house.pid), await writes(plane)];
  await pause(restMs);
  const [after, writesAfter] = [usageOf(house.pid), await writes(plane)];
  const filled = await fill(redis, sizes);
  return [
    digits(decidedS),
    digits(toldS),
    `${digits(((after.cpuMs - before.cpuMs) / restMs) * 100)} %`,
    digits(after.rssMiB),
    digits(writesAfter - writesBefore),
    digits(filled[Math.floor(filled.length / 2)] ?? Number.NaN),
    digits(filled.at(-1) ?? Number.NaN),
  ];
}

async function decided(house: House): Promise<number> {
  const { workers } = (await house.get("/api/v1/workers")) as { workers: readonly { decision?: unknown }[] };
  return workers.filter(({ decision }) => decision !== undefined).length;
}

/** Until nobody writes. */
async function quiet(plane: ControlPlane): Promise<void> {
  for (let [was, now] = [-1, await writes(plane)]; now !== was; [was, now] = [now, await writes(plane)]) await pause(quietMs);
}

/** What changes something, by anybody; Leases are renewed all the time. */
async function writes(plane: ControlPlane): Promise<number> {
  const text = await plane.kubectl(["get", "--raw", "/metrics"]);
  let sum = 0;
  for (const [, labels = "", count] of text.matchAll(/^apiserver_request_total\{([^}]*)\} (\S+)$/gm)) {
    if (/verb="(POST|PUT|PATCH|APPLY|DELETE|DELETECOLLECTION)"/.test(labels) && !labels.includes('resource="leases"'))
      sum += Number(count);
  }
  return sum;
}

/** Fills queues at once; when each of their Deployments has its new size, ms, sorted. */
async function fill(redis: BenchRedis, sizes: ReturnType<typeof watchList<Sized, number>>): Promise<readonly number[]> {
  const scaled: number[] = [];
  const done = Promise.withResolvers<void>();
  const began = performance.now();
  const stop = sizes.onChange((_, now, was) => {
    if (was !== 0 || now === undefined || now === 0) return;
    scaled.push(performance.now() - began);
    if (scaled.length === filling) done.resolve();
  });
  const jobs = new Array<string>(100).fill("job");
  await redis.all(Array.from({ length: filling }, (_, index) => ["LPUSH", `pool-${index}`, ...jobs]));
  await Promise.race([done.promise, pause(60_000, undefined, { ref: false })]);
  stop();
  return scaled;
}
