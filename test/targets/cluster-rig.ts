import type { CallRecord } from "../../src/kube/caller.ts";
import { createClient } from "../../src/kube/client.ts";
import type { KubeError } from "../../src/kube/kube.ts";
import { createScaleTarget, type ScaleTarget, type ScaleTargetOptions } from "../../src/targets/scale.ts";
import type { TargetNotice } from "../../src/targets/target.ts";
import { createTargetWatches, type TargetWatches } from "../../src/targets/watches.ts";
import type { Access } from "../support/cluster/access.ts";
import { namespace } from "../support/shared-control-plane.ts";
import { waitFor } from "../support/wait.ts";

/** Bound of every wait: other tests run on the same two cores. */
const waitMs = 180_000;

export type PodThing = {
  metadata: { name: string; uid: string; deletionTimestamp?: string; labels: Record<string, string>; creationTimestamp: string };
  spec: { nodeName?: string };
  status: { phase: string };
};

type WorkloadThing = {
  metadata: { generation: number };
  spec: { replicas: number };
  status: { observedGeneration?: number; replicas?: number; readyReplicas?: number };
};

/**
 * A namespace of a real control plane (one of its own, unless it is to be `within` another's), and targets in it. There is
 * no kubelet: the tests say which pods run.
 */
export async function openRig(plane: Access, user: Access = plane, within?: string) {
  const room = within === undefined ? await namespace(plane) : { name: within, async [Symbol.asyncDispose]() {} };
  const calls: CallRecord[] = [];
  const kube = await createClient({
    access: { kubeconfig: [user.kubeconfig] },
    userAgent: "worktide-test",
    onCall: (call) => calls.push(call),
  });
  const problems: KubeError[] = [];
  const opened: AsyncDisposable[] = [];
  const openWatches = (): TargetWatches => {
    const watches = createTargetWatches({
      kube,
      clock: () => performance.now(),
      namespaces: [room.name],
      onProblem: (problem) => problems.push(problem as KubeError),
    });
    opened.push(watches);
    return watches;
  };
  const watches = openWatches();
  const apps = `/apis/apps/v1/namespaces/${room.name}`;
  const core = `/api/v1/namespaces/${room.name}`;

  const pods = async () => (await plane.request<{ items: PodThing[] }>("GET", `${core}/pods`)).items;
  const living = async () => (await pods()).filter(({ metadata }) => metadata.deletionTimestamp === undefined);

  /**
   * Waits until the controllers of Deployments, ReplicaSets and StatefulSets have nothing left to do: each has seen its newest size,
   * and there are just so many pods, all told of. Before that a pod may be on its way though the number is right, and each word of theirs is a conflict.
   */
  const settled = (size: number, { ready = 0 } = {}) =>
    waitFor(
      `the controllers to have come to ${size} pods`,
      async () => {
        const kinds = ["deployments", "replicasets", "statefulsets"];
        const lists = await Promise.all(kinds.map((kind) => plane.request<{ items: WorkloadThing[] }>("GET", `${apps}/${kind}`)));
        const done = lists
          .flatMap(({ items }) => items)
          .every(({ metadata, spec, status }) => {
            const told = status.observedGeneration === metadata.generation && (status.replicas ?? 0) === size;
            return told && spec.replicas === size && (status.readyReplicas ?? 0) === ready;
          });
        return done && (await pods()).length === size;
      },
      waitMs,
    );

  /** Makes a pod run as a kubelet would say it. */
  const run = async ({ metadata: { name }, spec }: PodThing, { ready = true }: { ready?: boolean } = {}) => {
    if (spec.nodeName === undefined) {
      const target = { apiVersion: "v1", kind: "Node", name: "nowhere" };
      await plane.request("POST", `${core}/pods/${name}/binding`, {
        apiVersion: "v1",
        kind: "Binding",
        metadata: { name },
        target,
      });
    }
    const since = new Date(Date.now() - 60_000).toISOString();
    const state = { running: { startedAt: since } };
    const container = { name: "worker", image: "none", imageID: "", ready, restartCount: 0, state };
    const conditions = [{ type: "Ready", status: ready ? "True" : "False", lastTransitionTime: since }];
    await plane.request("PATCH", `${core}/pods/${name}/status`, {
      status: { phase: "Running", conditions, containerStatuses: [container] },
    });
  };

  const open = (name: string, options: Partial<ScaleTargetOptions> & { kind?: string; apiVersion?: string } = {}) => {
    const { kind = "Deployment", apiVersion = "apps/v1", ...rest } = options;
    const notices: TargetNotice[] = [];
    const target = createScaleTarget({
      ref: { apiVersion, kind, namespace: room.name, name },
      kube,
      watches,
      notice: (notice) => notices.push(notice),
      ...rest,
    });
    opened.unshift(target);
    const until = (what: string, holds: (pool: NonNullable<ReturnType<ScaleTarget["pool"]>>) => boolean) =>
      waitFor(
        what,
        () => {
          const pool = target.pool();
          return pool !== undefined && holds(pool);
        },
        waitMs,
      );
    return { target, notices, until };
  };

  return {
    ...{ plane, kube, room: room.name, apps, core, calls, problems, pods, living, settled, run, open, openWatches, watches },
    /** A workload of the apps group, its pods labelled by its name. */
    create: (name: string, replicas: number, kind = "Deployment", more: object = {}) =>
      plane.request("POST", `${apps}/${kind.toLowerCase()}s`, workload(name, replicas, kind, more)),
    /** Waits for so many pods and makes them run. */
    async runAll(replicas: number, options: (index: number) => { ready?: boolean } = () => ({})): Promise<readonly PodThing[]> {
      const places = { list: [] as readonly PodThing[] };
      await waitFor(
        `${replicas} pods`,
        async () => {
          places.list = (await living()).toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
          return places.list.length === replicas;
        },
        waitMs,
      );
      await Promise.all(places.list.map((pod, index) => run(pod, options(index))));
      return places.list;
    },
    /** Writes that the API server took so far; at a conflict it takes none. */
    writes: () => calls.filter(({ method, status }) => method !== "GET" && status !== 409),
    async [Symbol.asyncDispose]() {
      for (const each of opened) await each[Symbol.asyncDispose]();
      await kube[Symbol.asyncDispose]();
      await room[Symbol.asyncDispose]();
    },
  };
}

export type Rig = Awaited<ReturnType<typeof openRig>>;

export function workload(name: string, replicas: number, kind = "Deployment", more: object = {}) {
  return {
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      ...(kind === "StatefulSet" && { serviceName: name, podManagementPolicy: "Parallel" }),
      template: {
        metadata: { labels: { app: name } },
        spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "worker", image: "none" }] },
      },
      ...more,
    },
  };
}

/** A change as the loop asks for it. */
export const change = (from: number, to: number, remove?: readonly string[]) => ({
  from,
  to,
  decision: "test",
  ...(remove && { remove }),
});

export const never = new AbortController().signal;
export { waitFor, waitMs };
