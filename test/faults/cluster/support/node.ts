import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Access } from "../../../support/cluster/access.ts";
import { ApiError } from "../../../support/control-plane.ts";

/** A pod, as far as a node has to know it. */
export type Pod = Readonly<{
  metadata: Readonly<{
    name: string;
    uid: string;
    labels: Readonly<Record<string, string>>;
    creationTimestamp: string;
    deletionTimestamp?: string;
    deletionGracePeriodSeconds?: number;
  }>;
  spec: Readonly<{ nodeName?: string; containers: readonly Readonly<{ image: string }>[] }>;
  status: Readonly<{ phase: string }>;
}>;

/** What runs as a pod: a process of this machine. */
export type Program = Readonly<{ command: readonly string[]; env: Readonly<Record<string, string>> }>;

/** The one node of a namespace: its pods are processes, and end as those of a kubelet do. */
export type Node = AsyncDisposable &
  Readonly<{
    name: string;
    /** The pods that there are, as last seen. */
    pods(): readonly Pod[];
    pidOf(pod: string): number | undefined;
    /** As a node that has lost its power: its processes are gone, and nobody speaks for its pods any more. */
    lose(): Promise<void>;
    /** It is back, and knows nothing of former processes. */
    back(): void;
  }>;

const everyMs = 100;
/** From the pod to its process: no kubelet is faster, and whoever removes a pod must be done before it is replaced. */
const startMs = 1_500;

type Running = { readonly child: ChildProcess; told: boolean; ended: boolean };

/** @param programOf What a pod runs, by its pool and name. An image `none` cannot be pulled. */
export async function startNode(
  plane: Access,
  namespace: string,
  programOf: (pool: string, pod: string) => Program,
): Promise<Node> {
  const name = `node-${namespace}`;
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const running = new Map<string, Running>();
  const firstSeen = new Map<string, number>();
  let seen: readonly Pod[] = [];
  let lost = false;
  let closed = false;
  await plane.request("POST", "/api/v1/nodes", { metadata: { name } });

  /** What is gone, or not there yet, is looked at again in the next turn. */
  const ask = (method: "POST" | "PATCH" | "DELETE", path: string, body?: object) =>
    plane.request(method, path, body).catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
    });

  const tell = ({ metadata }: Pod, up: boolean) => {
    const since = new Date().toISOString();
    const state = up ? { running: { startedAt: since } } : { waiting: { reason: "CrashLoopBackOff", message: "back-off" } };
    const container = { name: "worker", image: "worker", imageID: "", ready: up, restartCount: up ? 0 : 1, state };
    const conditions = [{ type: "Ready", status: up ? "True" : "False", lastTransitionTime: since }];
    return ask("PATCH", `${pods}/${metadata.name}/status`, {
      status: { phase: "Running", conditions, containerStatuses: [container] },
    });
  };

  const refuse = ({ metadata }: Pod) => {
    const state = { waiting: { reason: "ImagePullBackOff", message: "Back-off pulling image none" } };
    const container = { name: "worker", image: "none", imageID: "", ready: false, restartCount: 0, state };
    return ask("PATCH", `${pods}/${metadata.name}/status`, { status: { phase: "Pending", containerStatuses: [container] } });
  };

  const start = async (pod: Pod) => {
    const { name: own, uid, labels } = pod.metadata;
    const pool = labels["app"] ?? "";
    const target = { apiVersion: "v1", kind: "Node", name };
    if (pod.spec.nodeName === undefined) {
      await ask("POST", `${pods}/${own}/binding`, { apiVersion: "v1", kind: "Binding", metadata: { name: own }, target });
    }
    if (pod.spec.containers.some(({ image }) => image === "none")) return refuse(pod);
    if (lost || closed || running.has(uid)) return;
    const { command, env } = programOf(pool, own);
    const [file = "", ...args] = command;
    const child = spawn(file, args, {
      env: { ...process.env, ...env, WORKTIDE_WORKER_ID: own, WORKTIDE_POOL: pool },
      stdio: "ignore",
    });
    const one: Running = { child, told: false, ended: false };
    running.set(uid, one);
    child.once("exit", () => {
      one.ended = true;
    });
    await tell(pod, true);
  };

  const end = async ({ metadata }: Pod, one: Running | undefined) => {
    if (one !== undefined && !one.ended) {
      if (one.told) return;
      one.told = true;
      one.child.kill("SIGTERM");
      const graceMs = (metadata.deletionGracePeriodSeconds ?? 30) * 1000;
      const timer = setTimeout(() => one.child.kill("SIGKILL"), graceMs);
      one.child.once("exit", () => clearTimeout(timer));
      return;
    }
    running.delete(metadata.uid);
    await ask("DELETE", `${pods}/${metadata.name}`, { gracePeriodSeconds: 0, preconditions: { uid: metadata.uid } });
  };

  const turn = async () => {
    seen = (await plane.request<{ items: readonly Pod[] }>("GET", pods)).items;
    if (lost) return;
    const there = new Set(seen.map(({ metadata }) => metadata.uid));
    for (const [uid, { child }] of running) {
      if (there.has(uid)) continue; // it went while it was being started, or by force
      running.delete(uid);
      child.kill("SIGKILL");
    }
    await Promise.all(
      seen.map(async (pod) => {
        const one = running.get(pod.metadata.uid);
        if (pod.metadata.deletionTimestamp !== undefined) return end(pod, one);
        const since = firstSeen.get(pod.metadata.uid) ?? performance.now();
        firstSeen.set(pod.metadata.uid, since);
        const isDue = pod.status.phase === "Pending" && performance.now() - since >= startMs;
        if (one === undefined) return isDue ? start(pod) : undefined;
        if (!one.ended) return undefined;
        running.delete(pod.metadata.uid);
        return tell(pod, false);
      }),
    );
  };

  const work = (async () => {
    while (!closed) {
      await turn().catch(() => {}); // the API server is away: as a kubelet, it goes on with what it has
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();

  const killAll = () =>
    Promise.all(
      [...running.values()].map(async ({ child, ended }) => {
        if (ended) return;
        const gone = once(child, "exit");
        child.kill("SIGKILL");
        await gone;
      }),
    );

  return {
    name,
    pods: () => seen,
    pidOf: (pod) => running.get(seen.find(({ metadata }) => metadata.name === pod)?.metadata.uid ?? "")?.child.pid,
    async lose() {
      lost = true;
      await killAll();
      running.clear();
    },
    back() {
      lost = false;
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      await work;
      await killAll();
      await plane.request("DELETE", `/api/v1/nodes/${name}`);
    },
  };
}
