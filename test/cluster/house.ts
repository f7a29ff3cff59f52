import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createClient } from "@redis/client";
import type { ScaledWorkerStatus } from "../../src/api/status.ts";
import type { Access, Thing } from "../support/cluster/access.ts";
import { established } from "../support/cluster/established.ts";
import { startRedis } from "../support/redis.ts";
import { namespace } from "../support/shared-control-plane.ts";
import { patienceMs, waitFor } from "../support/wait.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const crds = fileURLToPath(new URL("../../manifests/crds", import.meta.url));

/** Bound of every wait: other tests run on the same two cores. */
export const waitMs = patienceMs;

type Worker = Thing & { status?: ScaledWorkerStatus };
type Deployment = Thing & { spec: { replicas: number }; status: { replicas?: number } };

/** One running `worktide controller`. */
export type Life = Readonly<{
  pid: number;
  url: string;
  said: readonly string[];
  /** Exit code, or the signal that ended it. */
  exited: Promise<number | string>;
  signal(name: NodeJS.Signals): void;
  says(text: string, from?: number): Promise<void>;
}> &
  AsyncDisposable;

/** A namespace of a real control plane, a Redis, and `worktide controller` as its users run it. */
export async function openClusterHouse(plane: Access) {
  await plane.kubectl(["apply", "--server-side", "--force-conflicts", "-k", crds]);
  await established(plane);
  const room = await namespace(plane);
  const redis = await startRedis();
  const client = createClient({ url: redis.url }).on("error", () => {});
  await client.connect();
  const children = new Set<ChildProcess>();
  const ours = `/apis/worktide.dev/v1alpha1/namespaces/${room.name}`;
  const apps = `/apis/apps/v1/namespaces/${room.name}`;
  const core = `/api/v1/namespaces/${room.name}`;
  const post = (path: string, kind: string, name: string, body: object) => {
    const apiVersion = path.startsWith("/apis/worktide")
      ? "worktide.dev/v1alpha1"
      : path.startsWith("/apis/apps")
        ? "apps/v1"
        : "v1";
    return plane.request("POST", `${path}/${kind.toLowerCase()}s`, { apiVersion, kind, metadata: { name }, ...body });
  };

  return {
    plane,
    redis,
    client,
    room: room.name,
    ours,
    apps,
    core,
    deployment: (name: string, replicas: number) =>
      post(apps, "Deployment", name, {
        spec: {
          replicas,
          selector: { matchLabels: { app: name } },
          template: {
            metadata: { labels: { app: name } },
            spec: { containers: [{ name: "worker", image: "none", imagePullPolicy: "Never" }] },
          },
        },
      }),
    secret: (name: string, stringData: Readonly<Record<string, string>>) => post(core, "Secret", name, { stringData }),
    connection: (name: string, spec: object = { redis: { url: redis.url } }) => post(ours, "QueueConnection", name, { spec }),
    /** Sized by the list of its name: two jobs for each replica, quick to shrink. */
    worker: (name: string, spec: object = {}) =>
      post(ours, "ScaledWorker", name, {
        spec: {
          target: { kind: "Deployment", name },
          replicas: { min: 0, max: 5 },
          triggers: [
            {
              name: "jobs",
              connection: "main",
              redis: { list: { key: name, processing: [`${name}:processing`] } },
              goal: { waitingPerReplica: 2 },
              every: "200ms",
            },
          ],
          scaleDown: { cooldown: "0s" },
          behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
          ...spec,
        },
      }),
    /** A Deployment without replicas, the connection `main`, and who sizes it by the list of its name. */
    async pool(name: string): Promise<void> {
      await this.deployment(name, 0);
      await this.connection("main");
      await this.worker(name);
    },
    patch: (name: string, body: object) => plane.request("PATCH", `${ours}/scaledworkers/${name}`, body),
    get: (name: string) => plane.request<Worker>("GET", `${ours}/scaledworkers/${name}`),
    replicas: async (name: string) => (await plane.request<Deployment>("GET", `${apps}/deployments/${name}`)).spec.replicas,
    async size(name: string, size: number): Promise<void> {
      await waitFor(`${size} replicas of ${name}`, async () => (await this.replicas(name)) === size, waitMs);
    },
    async reason(name: string, reason: string): Promise<Worker> {
      let last: Worker | undefined;
      await waitFor(
        `${name} to stand as ${reason}`,
        async () => {
          last = await this.get(name);
          return last.status?.reason === reason;
        },
        waitMs,
      ).catch((cause: unknown) => {
        throw new Error(`${String(cause)}: ${JSON.stringify(last?.status)}`);
      });
      return last as Worker;
    },
    async events(name: string) {
      type Event = { regarding: { name: string }; related?: { kind: string }; reason: string; note: string; type: string };
      type List = { items: readonly Event[] };
      const { items } = await plane.request<List>("GET", `/apis/events.k8s.io/v1/namespaces/${room.name}/events`);
      return items.filter(({ regarding }) => regarding.name === name);
    },
    push: (list: string, count: number) => client.lPush(list, new Array<string>(count).fill("job")),
    /** Starts `worktide controller` for this namespace, or as `own` says. */
    async start(
      args: readonly string[] = [],
      kubeconfig = plane.kubeconfig,
      own: readonly string[] = ["--namespaces", room.name, "--lease-namespace", room.name],
    ): Promise<Life> {
      const child = spawn(
        process.execPath,
        [main, "controller", "--listen", "127.0.0.1:0", "--lease-duration", "5s", ...own, ...args],
        {
          env: { ...process.env, KUBECONFIG: kubeconfig },
          stdio: ["ignore", "pipe", "pipe"],
        },
      );
      children.add(child);
      const exited = once(child, "exit").then(([code, signal]) => (signal ?? code ?? "nothing") as number | string);
      void exited.then(() => children.delete(child));
      const said: string[] = [];
      const up = Promise.withResolvers<string>();
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
          said.push(line);
          const url = /"url":"(http[^"]+)"/.exec(line)?.[1];
          if (url !== undefined) up.resolve(url);
        });
      }
      void exited.then((how) => up.reject(new Error(`worktide ended (${how}) before it ran:\n${said.join("\n")}`)));
      const url = await up.promise;
      return {
        pid: child.pid ?? 0,
        url,
        said,
        exited,
        signal: (name) => void child.kill(name),
        async [Symbol.asyncDispose]() {
          child.kill("SIGTERM");
          await exited;
        },
        says: (text, from = 0) =>
          waitFor(`worktide to say '${text}'`, () => said.slice(from).some((line) => line.includes(text)), waitMs),
      };
    },
    async [Symbol.asyncDispose](): Promise<void> {
      for (const child of children) {
        const ended = once(child, "exit");
        if (child.exitCode === null && child.signalCode === null && child.kill("SIGKILL")) await ended;
      }
      client.destroy();
      await redis.stop();
      await room[Symbol.asyncDispose]();
    },
  };
}

export type ClusterHouse = Awaited<ReturnType<typeof openClusterHouse>>;
