import { fileURLToPath } from "node:url";
import type { ScaledWorkerStatus } from "../../../../src/api/status.ts";
import type { WorkerSnapshot } from "../../../../src/control/worker-snapshot.ts";
import type { Expected, Line } from "../../../support/checker/lines.ts";
import type { Access, Thing } from "../../../support/cluster/access.ts";
import { auditOf } from "../../../support/cluster/audit.ts";
import { established } from "../../../support/cluster/established.ts";
import { namespace } from "../../../support/shared-control-plane.ts";
import { ask } from "../../support/ask.ts";
import { createNotes, type House, openHouse, type StageOptions } from "../../support/house.ts";
import { createLoad, type Load } from "../../support/load.ts";
import { expectedOf, type Pool, rulesFields } from "../../support/pools.ts";
import { createWatcher, kill } from "../../support/proc.ts";
import { createSteps, type Steps, type Verdict } from "../../support/steps.ts";
import { createWitness, type Witness } from "../../support/witness.ts";
import { type Controllers, createControllers, leaseMs } from "./controllers.ts";
import { type Node, startNode } from "./node.ts";
import { apiLines, toldToStop } from "./record.ts";

const crds = fileURLToPath(new URL("../../../../manifests/crds", import.meta.url));
const worker = fileURLToPath(new URL("../../../support/workers/bullmq-worker.mjs", import.meta.url));

const sleeping = ["sleep", "3600"];
const commands: Readonly<Partial<Record<Pool["kind"], readonly string[]>>> = { bullmq: [process.execPath, worker] };

type ScaledWorker = Thing & { spec: object; status?: ScaledWorkerStatus };

/**
 * A namespace of a real control plane with a Deployment and a ScaledWorker for each pool, pods that are real worker
 * processes, two real Redis, controllers behind proxies of their own, and observers of all of it.
 */
export type ClusterStage = AsyncDisposable &
  Pick<House, "dir" | "redis" | "proxy" | "admin" | "adminOf" | "password"> &
  Pick<Load, "enqueue" | "pauseQueue"> &
  Pick<Witness, "processes"> &
  Omit<Steps, "judgeBy"> &
  Pick<Controllers, "start"> &
  Readonly<{
    plane: Access;
    room: string;
    node: Node;
    /** Paths of the API server: of our kinds, of apps, and of the core group in this namespace. */
    paths: Readonly<{ ours: string; apps: string; core: string }>;
    get(pool: string): Promise<ScaledWorker>;
    replicas(pool: string): Promise<number>;
    /** Waits for a size of the target. */
    size(pool: string, replicas: number): Promise<void>;
    /** Waits until the status has a condition with this reason. */
    reason(pool: string, reason: string): Promise<ScaledWorker>;
    /** Changes the spec, and waits until the status says that this is in force. */
    edit(pool: Pool): Promise<void>;
    /** As somebody else does: `kubectl scale`. */
    scale(pool: string, replicas: number): Promise<void>;
    /** Ends everything and judges it by all invariants. */
    judge(constants?: StageOptions["constants"]): Promise<Verdict>;
  }>;

export type ClusterStageOptions = StageOptions &
  Readonly<{
    /** Fields of each Deployment's pods. */
    podSpec?: object;
    /** Sizes that the Deployments begin with. Default 0. */
    replicas?: number;
    kind?: "Deployment" | "StatefulSet";
  }>;

const definitions = new WeakMap<Access, Promise<void>>();

/** Our custom resources, once for each control plane. */
export function define(plane: Access): Promise<void> {
  const known = definitions.get(plane) ?? apply(plane);
  definitions.set(plane, known);
  return known;
}

async function apply(plane: Access): Promise<void> {
  await plane.kubectl(["apply", "--server-side", "--force-conflicts", "-k", crds]);
  await established(plane);
}

export async function setClusterStage(plane: Access, options: ClusterStageOptions): Promise<ClusterStage> {
  await using undo = new AsyncDisposableStack();
  const notes = createNotes();
  const { note, now } = notes;
  await define(plane);
  const { name: room } = undo.use(await namespace(plane));
  const house = await openHouse(options, notes, undo);
  const load = createLoad(options, house, undo);
  undo.defer(() => {
    for (const { pid } of createWatcher(house.journal)()) kill(pid, "SIGKILL");
  });
  const commandOf = new Map(options.pools.map(({ name, kind, command }) => [name, command ?? commands[kind]]));
  const env = { WORKTIDE_TEST_JOURNAL: house.journal, REDIS_URL: house.redis.url, LOCK_MS: "2000", STALLED_MS: "1000" };
  const node = undo.use(
    await startNode(plane, room, (pool, pod) => ({
      command: (commandOf.get(pool) ?? sleeping).map((word) => word.replaceAll("${WORKTIDE_WORKER_ID}", pod)),
      env: { ...env, QUEUE: pool, ...house.around.env },
    })),
  );
  const paths = {
    ours: `/apis/worktide.dev/v1alpha1/namespaces/${room}`,
    apps: `/apis/apps/v1/namespaces/${room}`,
    core: `/api/v1/namespaces/${room}`,
  };
  const workloads = `${paths.apps}/${(options.kind ?? "Deployment").toLowerCase()}s`;
  await declare(plane, paths, house, options);
  const versions = new Map(options.pools.map((pool) => [pool.name, [pool]]));
  const controllers = createControllers({ plane, room, dir: house.dir }, notes, undo.use(new AsyncDisposableStack()));

  const snapshots = async () => {
    const present = controllers.all().find(({ life }) => !life.gone());
    if (present === undefined) return [];
    const text = await ask(`${present.life.url}/api/v1/workers`, 5_000);
    note({ kind: "output", t: now(), source: "api", text });
    return (JSON.parse(text) as { workers: WorkerSnapshot[] }).workers;
  };
  const witness = createWitness(options.pools, house, notes, snapshots);
  undo.defer(witness.stop);

  const recorded = async (): Promise<Line[]> => {
    const lines = apiLines(await auditOf(plane, room), now());
    return [...(await controllers.recorded()), ...lines, ...toldToStop(lines, new Set(Object.values(controllers.users())))];
  };
  const { judgeBy, ...steps } = createSteps({ house, notes, load, witness: () => witness, recorded });

  const stage: Omit<ClusterStage, typeof Symbol.asyncDispose> = {
    ...house,
    ...load,
    ...witness,
    ...steps,
    ...{ plane, room, node, paths, start: controllers.start },
    get: (pool) => plane.request<ScaledWorker>("GET", `${paths.ours}/scaledworkers/${pool}`),
    replicas: async (pool) =>
      (await plane.request<{ spec: { replicas?: number } } & Thing>("GET", `${workloads}/${pool}/scale`)).spec.replicas ?? 0,
    size: (pool, size) => steps.wait(`${size} replicas of ${pool}`, async () => (await stage.replicas(pool)) === size),
    async reason(pool, reason) {
      let last: ScaledWorker | undefined;
      const holds = async () => {
        last = await stage.get(pool);
        return last.status?.conditions?.some((one) => one.reason === reason) ?? false;
      };
      await steps.wait(`${pool} to have a condition ${reason}`, holds).catch((cause: unknown) => {
        throw new Error(`${String(cause)}: ${JSON.stringify(last?.status)}`);
      });
      return last as ScaledWorker;
    },
    async edit(pool) {
      const changed = await plane.request("PATCH", `${paths.ours}/scaledworkers/${pool.name}`, {
        spec: { pause: null, ...rulesFields(pool) },
      });
      const generation = Number(changed.metadata["generation"]);
      const inForce = async () => (await stage.get(pool.name)).status?.observedGeneration === generation;
      await steps.wait(`generation ${generation} of ${pool.name}`, inForce);
      versions.get(pool.name)?.push(pool);
      for (const { run } of controllers.all())
        note({ kind: "spec", t: now(), at: "", run, worker: pool.name, generation, detail: "edited" });
    },
    async scale(pool, replicas) {
      const scope = { fault: "somebody scales", worker: pool };
      note({ kind: "fault.begin", t: now(), ...scope });
      await plane.request("PATCH", `${workloads}/${pool}/scale`, { spec: { replicas } });
      note({ kind: "fault.end", t: now(), ...scope });
    },
    async judge(constants) {
      const alive = controllers.all().filter(({ life }) => !life.gone());
      for (const { life } of alive) {
        note({ kind: "output", t: now(), source: "metrics", text: await ask(`${life.url}/metrics`) });
      }
      note({ kind: "fault.begin", t: now(), fault: "the end", process: "term" });
      await Promise.all(alive.map((controller) => controller.end("SIGTERM")));
      witness.look();
      witness.stop();
      note({
        kind: "output",
        t: now(),
        source: "status",
        text: JSON.stringify(await plane.request("GET", `${paths.ours}/scaledworkers`)),
      });
      note({
        kind: "output",
        t: now(),
        source: "events",
        text: JSON.stringify(await plane.request("GET", `${paths.core}/events`)),
      });
      const workers = Object.fromEntries([...versions].map(([name, all]): [string, Expected] => [name, expectedOf(all, {})]));
      return judgeBy({
        workers,
        canaries: [house.password],
        cluster: { leaseMs, users: controllers.users() },
        // From a size to its processes there are an API server, controllers and a node, whose time is not worktide's.
        constants: { transitionMs: 30_000, ...options.constants, ...constants },
      });
    },
  };
  const owned = undo.move();
  return { ...stage, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

type Paths = ClusterStage["paths"];

/** Deployments, connections and ScaledWorkers of all pools; the password comes from a Secret. */
async function declare(plane: Access, paths: Paths, house: House, options: ClusterStageOptions): Promise<void> {
  const { kind = "Deployment", pools, podSpec = {}, replicas = 0 } = options;
  const ours = (of: string, name: string, spec: object) =>
    plane.request("POST", `${paths.ours}/${of.toLowerCase()}s`, {
      apiVersion: "worktide.dev/v1alpha1",
      kind: of,
      metadata: { name },
      spec,
    });
  await plane.request("POST", `${paths.core}/secrets`, { metadata: { name: "redis" }, stringData: { password: house.password } });
  const passwordFrom = { secretKeyRef: { name: "redis", key: "password" } };
  const { mainPort, steadyPort } = house.around;
  await ours("QueueConnection", "main", {
    redis: { url: `redis://127.0.0.1:${mainPort}/0`, username: "worktide", passwordFrom },
  });
  await ours("QueueConnection", "steady", { redis: { url: `redis://127.0.0.1:${steadyPort}/0` } });
  for (const pool of pools) {
    const { name } = pool;
    const containers = [{ name: "worker", image: "worker", imagePullPolicy: "Never" }];
    await plane.request("POST", `${paths.apps}/${kind.toLowerCase()}s`, {
      metadata: { name },
      spec: {
        replicas,
        selector: { matchLabels: { app: name } },
        ...(kind === "StatefulSet" && { serviceName: name, podManagementPolicy: "Parallel" }),
        template: { metadata: { labels: { app: name } }, spec: { containers, ...podSpec } },
      },
    });
    await ours("ScaledWorker", name, { target: { kind, name }, ...rulesFields(pool) });
  }
}
