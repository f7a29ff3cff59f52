import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { scaledWorkerKind } from "../src/cluster/kinds.ts";
import { createClient, type KubeClient } from "../src/kube/client.ts";
import { isKubeError, type Kind } from "../src/kube/kube.ts";
import { type ControlPlane, startControlPlane } from "../test/support/control-plane.ts";
import { startProxy } from "../test/support/proxy.ts";
import type { Bench } from "./context.ts";
import { digits, median } from "./figures.ts";
import { usageOf } from "./proc.ts";

type Figures = Readonly<{
  objects: number;
  serialMs: number;
  parallelMs: number;
  connections: number;
  listedMs: number;
  rssMiB: number;
  lagMs: number;
}>;

const manifests = fileURLToPath(new URL("../manifests/crds", import.meta.url));

/** What it costs to speak to a real API server, and to follow many ScaledWorkers. */
export const kube: Bench = async ({ quick, repeats, say }) => {
  await using plane = await startControlPlane();
  await plane.kubectl(["apply", "--server-side", "-k", manifests]);
  await using admin = await createClient({ access: { kubeconfig: [plane.kubeconfig] }, userAgent: "worktide-bench" });
  await served(admin, scaledWorkerKind);
  const rows: (readonly string[])[] = [];
  let made = 0;
  for (const objects of quick ? [0, 1_000] : [0, 1_000, 10_000]) {
    await make(admin, made, objects - made);
    made = objects;
    const runs: Figures[] = [];
    for (let repeat = 0; repeat < (quick ? 1 : repeats); repeat++) runs.push(await measure(plane, admin, objects));
    const of = (figure: keyof Figures) => digits(median(runs.map((run) => run[figure])));
    say(`kube: ${objects} ScaledWorkers: listed in ${of("listedMs")} ms, ${of("rssMiB")} MiB`);
    rows.push([digits(objects), of("serialMs"), of("parallelMs"), of("connections"), of("listedMs"), of("rssMiB"), of("lagMs")]);
  }
  return [
    {
      title: "The client of the API server, by ScaledWorkers",
      note:
        "A real kube-apiserver on the same machine. Lists: 200 of an empty namespace, one after the other and all at once, ms each; " +
        "connections that all of it took, watches included. Followed: all ScaledWorkers, kept with their whole spec. RSS after 10 s. " +
        "Lag: 500 of them are patched, 20 at once; from the answer to the last patch until the last change was seen.",
      head: ["ScaledWorkers", "list ms", "at once ms", "connections", "all listed ms", "RSS MiB", "lag ms"],
      rows,
    },
  ];
};

export async function served(admin: KubeClient, kind: Kind): Promise<void> {
  for (;;) {
    try {
      await admin.list({ kind });
      return;
    } catch {
      await pause(100);
    }
  }
}

async function make(admin: KubeClient, from: number, count: number): Promise<void> {
  const one = async (index: number) => {
    const metadata = { name: `pool-${index}`, namespace: "default", labels: { team: `team-${index % 50}` } };
    const redis = { list: { key: `queue-${index}` } };
    const goal = { waitingPerReplica: 20 };
    const spec = {
      target: { kind: "Deployment", name: `pool-${index}` },
      replicas: { min: 0, max: 50 },
      triggers: [{ name: "main", connection: "main", redis, goal }],
    };
    await admin.create(scaledWorkerKind, { metadata, spec });
  };
  await eachOf(count, (i) => one(from + i));
}

/** A few at a time, each until it is done: on a busy machine calls end at their deadline. */
export async function eachOf(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const some = async () => {
    for (let index = next++; index < count; index = next++) {
      while (!(await work(index).then(() => true, isDone))) await pause(100);
    }
  };
  await Promise.all(Array.from({ length: 20 }, some));
}

function isDone(error: unknown): boolean {
  if (isKubeError(error, "AlreadyExists")) return true;
  if (isKubeError(error, "Timeout")) return false;
  throw error;
}

async function measure(plane: ControlPlane, admin: KubeClient, objects: number): Promise<Figures> {
  const changes = Math.min(500, objects);
  await using proxy = await startProxy(() => Number(new URL(plane.url).port));
  const root = path.join(plane.dir, "bench"); // as a pod has it
  await mkdir(root, { recursive: true });
  const files = { token: plane.token, "ca.crt": plane.ca, namespace: "default" };
  await Promise.all(Object.entries(files).map(([file, text]) => writeFile(path.join(root, file), text)));
  const script = fileURLToPath(new URL("kube-client.ts", import.meta.url));
  const env = { ...process.env, CHANGES: String(changes), LISTS: "200" };
  const args = ["--max-semi-space-size=4", script, root, String(proxy.port)];
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  using _ = { [Symbol.dispose]: () => void child.kill() };
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value ?? "{}");
  const report = await next();
  await pause(10_000);
  const { rssMiB } = usageOf(child.pid ?? 0);
  const connections = proxy.dials();
  const body = { metadata: { annotations: { at: String(Date.now()) } } };
  const ref = (index: number) => ({ kind: scaledWorkerKind, namespace: "default", name: `pool-${index}` });
  await eachOf(changes, (index) => admin.patch(ref(index), { type: "merge", body }));
  const doneAt = Date.now();
  const lagMs = changes === 0 ? Number.NaN : Math.max(0, (await next()).at - doneAt);
  return { ...report, rssMiB, connections, lagMs };
}
