import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import path from "node:path";
import { afterEach } from "node:test";
import { promisify } from "node:util";
import { definitionS } from "../support/cluster/established.ts";

const run = promisify(execFile);
const overlay = path.join(import.meta.dirname, "manifests");

/** A cluster for the tests. */
export type Stage = Readonly<{
  kubeconfig: string;
  /** The program. */
  kubectl: string;
  /** This machine reaches the addresses of pods. */
  direct: boolean;
  /** A folder of the node, in which pods write what was begun and ended, so that it outlives them. */
  journal: string;
}>;

/** How {@link Stage} reaches the files of tests. */
export const stageVariables = (stage: Stage): Readonly<Record<string, string>> => ({ WORKTIDE_E2E_STAGE: JSON.stringify(stage) });

export type OpenStage = ReturnType<typeof openStage>;

/** The cluster that `npm run test:e2e` started. Of a test that fails in it is told how the cluster was then. */
export function theStage(): OpenStage {
  const given = process.env["WORKTIDE_E2E_STAGE"];
  if (!given) throw new Error("these tests run in a cluster: `npm run test:e2e`, with the path of this file to run it alone");
  const stage = openStage(JSON.parse(given));
  afterEach(async (test) => {
    if ("passed" in test && !test.passed) console.error(await stage.report());
  });
  return stage;
}

/** What tests do in a cluster, all of it by kubectl, which knows every way to log in. */
export function openStage({ kubeconfig, kubectl: program, direct, journal }: Stage) {
  const env = { ...process.env, KUBECONFIG: kubeconfig };
  const ends: (() => void)[] = [];

  /** Resolves with what kubectl printed. */
  const kubectl = async (args: readonly string[], input?: string): Promise<string> => {
    const child = run(program, args, { env, maxBuffer: 64 << 20 });
    child.child.stdin?.end(input);
    return (await child).stdout;
  };
  const json = async <T>(...args: readonly string[]): Promise<T> => JSON.parse(await kubectl([...args, "-o", "json"])) as T;
  const apply = (objects: readonly object[], namespace: string) =>
    kubectl(["apply", "-n", namespace, "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));

  /** A namespace of its own, in which everything ends with it. */
  const namespace = async () => {
    const name = `e2e-${randomBytes(4).toString("hex")}`;
    await kubectl(["create", "namespace", name]);
    return { name, [Symbol.asyncDispose]: async () => void (await kubectl(["delete", "namespace", name, "--wait=false"])) };
  };

  /** `HOST:PORT` at which this machine reaches a port of a pod. */
  const reach = async (of: string, pod: string, port: number): Promise<string> => {
    if (direct) return `${await kubectl(["get", "pod", pod, "-n", of, "-o", "jsonpath={.status.podIP}"])}:${port}`;
    return forward(of, `pod/${pod}`, port);
  };

  /** `HOST:PORT` that leads to a port of a pod or Service, as people have it. */
  const forward = async (of: string, to: string, port: number): Promise<string> => {
    const child = spawn(program, ["port-forward", "-n", of, to, `:${port}`], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    ends.push(() => child.kill());
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    // It is read to its end: kubectl ends when nobody takes what it prints.
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const [, local] = /127\.0\.0\.1:(\d+)/.exec(text) ?? [];
      if (local) resolve(`127.0.0.1:${local}`);
    });
    child.once("close", () => reject(new Error(`reaching port ${port} of ${to}`)));
    return promise;
  };

  /** Calls `seen` with every state of an object, as the API server tells it, until the stage is closed. */
  const watch = (of: string, what: string, seen: (object: unknown) => void) => {
    const args = ["get", what, "-n", of, "--watch", "-o", "json"];
    const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    ends.push(() => child.kill());
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      for (let end = text.indexOf("\n}\n"); end >= 0; end = text.indexOf("\n}\n")) {
        seen(JSON.parse(text.slice(0, end + 2)));
        text = text.slice(end + 3);
      }
    });
  };

  const close = async () => {
    for (const end of ends.splice(0)) end();
  };
  return {
    journal,
    kubectl,
    json,
    apply,
    namespace,
    reach,
    forward,
    watch,
    /** Applies the manifests and waits until the controller is ready. */
    install: async () => {
      await kubectl(["apply", "--server-side", "-k", overlay]);
      await kubectl(["-n", "worktide-system", "rollout", "status", "deployment/worktide", "--timeout=120s"]);
    },
    /** Takes the manifests back; answers what of them is still there then. */
    uninstall: async (): Promise<string> => {
      await kubectl(["delete", "-k", overlay, `--timeout=${definitionS}s`]);
      const kinds = "namespaces,customresourcedefinitions,clusterroles,clusterrolebindings,validatingwebhookconfigurations";
      return kubectl(["get", kinds, "-l", "app.kubernetes.io/part-of=worktide", "-o", "name"]);
    },
    /** What somebody who looks for the cause of a failure asks first. */
    report: async () => {
      const pods = await kubectl(["get", "pods", "-A", "-o", "wide"]);
      const asked = [
        ["get", "events", "-A", "--sort-by=.lastTimestamp"],
        ["get", "scaledworkers", "-A", "-o", "yaml"],
      ];
      for (const line of pods.trim().split("\n").slice(1)) {
        const [namespace = "", pod = ""] = line.split(/\s+/);
        asked.push(["logs", "-n", namespace, pod, "--all-containers", "--prefix", "--tail=30"]);
      }
      const answers = await Promise.all(asked.map((args) => kubectl(args).catch(String)));
      return [pods, ...answers].join("\n");
    },
    [Symbol.asyncDispose]: close,
  };
}
