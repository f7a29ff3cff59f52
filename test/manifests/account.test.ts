import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { stringify } from "yaml";
import { openClusterHouse, waitMs } from "../cluster/house.ts";
import { type ControlPlane, noControlPlane, startControlPlane } from "../support/control-plane.ts";
import { waitFor } from "../support/wait.ts";
import { type Made, printed, root, specOf } from "./objects.ts";

const system = "worktide-system";
type Env = readonly Readonly<{ name: string; value?: string }>[];

/** Runs the controller with arguments and environment of the Deployment, under the account that the manifests give it. */
async function startAs(plane: ControlPlane, objects: ReadonlyMap<string, Made>) {
  const { spec } = specOf<{ template: { spec: { containers: readonly { args: readonly string[]; env: Env }[] } } }>(
    objects,
    "Deployment",
  ).template;
  const [container] = spec.containers;
  assert.ok(container);
  const account = `/api/v1/namespaces/${system}/serviceaccounts/worktide/token`;
  const { status } = await plane.request<{ status: { token: string } }>("POST", account, { spec: { expirationSeconds: 3600 } });
  const dir = await mkdtemp(path.join(tmpdir(), "worktide-account-"));
  const kubeconfig = path.join(dir, "kubeconfig");
  await writeFile(kubeconfig, kubeconfigOf(plane, status.token));
  const env = Object.fromEntries(
    container.env.map(({ name, value = system }) => [name, value.replace(/^0\.0\.0\.0:\d+$/, "127.0.0.1:0")]),
  );
  const child = spawn(process.execPath, ["src/main.ts", ...container.args], {
    cwd: root,
    env: { ...process.env, ...env, KUBECONFIG: kubeconfig },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", (line) => said.push(line));
  const exited = once(child, "exit");
  return {
    said,
    /** What the API server did not let it do. */
    refused: () => said.filter((line) => /forbidden|cannot (get|list|watch|create|update|patch|delete)/i.test(line)),
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await exited;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** What the files of its account tell a pod. As JSON, which is YAML too. */
function kubeconfigOf({ url, ca }: ControlPlane, token: string): string {
  const cluster = { server: url, "certificate-authority-data": Buffer.from(ca).toString("base64") };
  return JSON.stringify({
    clusters: [{ name: "test", cluster }],
    users: [{ name: "pod", user: { token } }],
    contexts: [{ name: "pod", context: { cluster: "test", user: "pod", namespace: system } }],
    "current-context": "pod",
  });
}

const skip = await noControlPlane();

describe("The controller, with no more rights than the manifests give it,", { skip, timeout: 600_000 }, () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await startControlPlane();
  });
  after(() => plane?.stop());

  /** Resolves once the account may do something by each kind of binding: these reach the authorizer a moment after they were applied. */
  const apply = async (objects: ReadonlyMap<string, Made>, watched: string) => {
    await plane.kubectl(["apply", "--server-side", "--force-conflicts", "-f", "-"], yaml(objects));
    const may = async (verb: string, resource: string, namespace: string) => {
      const args = ["auth", "can-i", verb, resource, "-n", namespace, `--as=system:serviceaccount:${system}:worktide`];
      return (await plane.kubectl(args).catch((error: { stdout: string }) => error.stdout)).trim() === "yes";
    };
    await waitFor("its Role to be in force", () => may("create", "leases.coordination.k8s.io", system));
    await waitFor("what it watches to be let", () => may("watch", "scaledworkers.worktide.dev", watched));
  };
  const remove = (objects: ReadonlyMap<string, Made>) =>
    plane.kubectl(["delete", "--ignore-not-found", "-f", "-"], yaml(objects));
  const yaml = (objects: ReadonlyMap<string, Made>) =>
    [...objects.values()].map((object) => stringify(object, { aliasDuplicateObjects: false })).join("---\n");

  /** What the API server trusts the webhook by. */
  const authority = async () => {
    type Configuration = Made & { webhooks: readonly { clientConfig: { caBundle?: string } }[] };
    const url = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/worktide";
    return (await plane.request<Configuration>("GET", url)).webhooks[0]?.clientConfig.caBundle;
  };

  it("serves all namespaces: leads, scales, makes Jobs, tells; reads a Secret once a namespace lets it", async () => {
    await using house = await openClusterHouse(plane);
    const objects = await printed();
    await apply(objects, house.room);
    await using life = await startAs(plane, objects);
    await house.connection("main");
    await house.deployment("mails", 0);
    await house.worker("mails");
    await house.push("mails", 7);
    await house.size("mails", 4);
    await house.reason("mails", "WorkWaiting");
    await house.worker("jobs", { target: { job: { template: jobTemplate } } });
    await house.push("jobs", 2);
    const jobs = async () =>
      (await plane.request<{ items: object[] }>("GET", `/apis/batch/v1/namespaces/${house.room}/jobs`)).items;
    await waitFor("a Job", async () => (await jobs()).length > 0, waitMs);
    await waitFor("events", async () => (await house.events("mails")).some(({ reason }) => reason === "ScaledFromZero"), waitMs);
    assert.deepEqual(life.refused(), []);
    await waitFor("the webhook's certificate", async () => (await authority()) !== undefined, waitMs);
    const url = life.said.map((line) => /"url":"(http[^"]+)"/.exec(line)?.[1]).find((found) => found !== undefined);
    assert.match(await (await fetch(`${url}/metrics`)).text(), /^worktide_leader 1$/m);
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${system}/leases`;
    const { metadata } = await plane.request("GET", `${leases}/worktide`);
    const [owner] = metadata["ownerReferences"] as readonly { kind: string; name: string }[];
    assert.deepEqual([owner?.kind, owner?.name], ["ServiceAccount", "worktide"], "the Lease goes with the install");

    await house.secret("redis", { url: house.redis.url });
    await house.connection("secret", { redis: { urlFrom: { secretKeyRef: { name: "redis", key: "url" } } } });
    await house.deployment("secretly", 0);
    await house.worker("secretly", { triggers: [{ ...trigger("secretly"), connection: "secret" }] });
    await house.push("secretly", 2);
    const { status } = await house.reason("secretly", "SecretNotFound");
    assert.match(JSON.stringify(status?.conditions), /Secret 'redis' may not be read by Worktide/);
    assert.equal(await house.replicas("secretly"), 0);
    const binding = ["create", "rolebinding", "worktide-secrets", "--clusterrole=worktide-secrets"];
    await plane.kubectl(["-n", house.room, ...binding, `--serviceaccount=${system}:worktide`]);
    await house.size("secretly", 1);

    const shared = `/apis/worktide.dev/v1alpha1/clusterqueueconnections`;
    const urlFrom = { secretKeyRef: { name: "redis", key: "url" } };
    await plane.request("POST", shared, {
      ...{ apiVersion: "worktide.dev/v1alpha1", kind: "ClusterQueueConnection", metadata: { name: "shared" } },
      spec: { namespaces: [house.room], secretNamespace: house.room, redis: { urlFrom } },
    });
    await house.deployment("sharing", 0);
    await house.worker("sharing", { triggers: [{ ...trigger("sharing"), clusterConnection: "shared" }] });
    await house.push("sharing", 2);
    await house.size("sharing", 1);
    await plane.request("PATCH", `${shared}/shared`, { spec: { namespaces: ["elsewhere"] } });
    await house.reason("sharing", "ConnectionNotFound");
    await house.push("sharing", 4);
    await plane.request("PATCH", `${shared}/shared`, { spec: { namespaces: [`${house.room.slice(0, 8)}*`] } });
    await house.size("sharing", 3);
    assert.deepEqual(
      life.refused().filter((line) => !line.includes("secrets")),
      [],
    );
    await remove(objects);
  });

  it("serves the namespaces of its Roles, and asks for nothing beyond them", async () => {
    await using house = await openClusterHouse(plane);
    const objects = await printed("--scope", "namespaced", "--namespaces", house.room, "--secrets", "redis");
    await apply(objects, house.room);
    await house.secret("redis", { url: house.redis.url });
    await house.connection("main", { redis: { urlFrom: { secretKeyRef: { name: "redis", key: "url" } } } });
    await house.deployment("mails", 0);
    await house.worker("mails");
    await house.push("mails", 7);
    {
      await using life = await startAs(plane, objects);
      await house.size("mails", 4);
      await house.reason("mails", "WorkWaiting");
      await house.client.del("mails");
      await house.size("mails", 0);
      assert.deepEqual(life.refused(), []);
    }
    // What Helm removes, which leaves the namespace: what the controller made itself goes all the same.
    await plane.kubectl(["-n", system, "delete", "serviceaccount", "worktide"]);
    const left = async () => (await plane.kubectl(["-n", system, "get", "leases", "-o", "name"])).trim();
    await waitFor("the Lease to go with the account", async () => (await left()) === "", waitMs);
    await remove(objects);
  });
});

const jobTemplate = {
  spec: {
    template: { spec: { restartPolicy: "Never", containers: [{ name: "worker", image: "none", imagePullPolicy: "Never" }] } },
  },
};

const trigger = (key: string) => ({
  name: "jobs",
  redis: { list: { key, processing: [`${key}:processing`] } },
  goal: { waitingPerReplica: 2 },
  every: "200ms",
});
