import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { Queue } from "bullmq";
import { type ClusterHouse, openClusterHouse, waitMs } from "../cluster/house.ts";
import { type ControlPlane, noControlPlane, startControlPlane, type Thing } from "../support/control-plane.ts";
import { findPython } from "../support/python.ts";
import { waitFor } from "../support/wait.ts";
import { produceTasks } from "../support/workers/start.ts";

const folder = path.join(import.meta.dirname, "..", "..", "examples", "kubernetes");
const password = "s3cret";
const python = await findPython();

/** Each as it stands in the repository, but the address of its Redis: applied, its queue filled, its workers counted. */
describe("the examples for Kubernetes", { skip: await noControlPlane() }, () => {
  let plane: ControlPlane;
  let house: ClusterHouse;
  const closing = new AsyncDisposableStack();
  before(async () => {
    plane = closing.use(await startControlPlane());
    house = closing.use(await openClusterHouse(plane));
    await house.client.sendCommand(["ACL", "SETUSER", "worktide", "on", `>${password}`, "~*", "&*", "+@all"]);
    for (const name of ["mails", "team-reports", "videos", "thumbs", "worktide-system"])
      await plane.request("POST", "/api/v1/namespaces", { metadata: { name } });
    closing.use(await house.start([], plane.kubeconfig, ["--lease-namespace", house.room])); // of all namespaces
  });
  after(() => closing.disposeAsync());

  const apply = async (file: string, namespace: string, ...changes: readonly (readonly [of: string | RegExp, to: string])[]) => {
    let text = await readFile(path.join(folder, file), "utf8");
    for (const [of, to] of changes) {
      const changed = text.replace(of, to);
      assert.notEqual(changed, text, `${file} has ${of}`);
      text = changed;
    }
    await plane.kubectl(["-n", namespace, "apply", "-f", "-"], text);
  };
  const secret = (namespace: string, name: string, stringData: object) =>
    plane.request("POST", `/api/v1/namespaces/${namespace}/secrets`, { metadata: { name }, stringData });
  const address = (text: string) => [`url: ${text}`, `url: ${house.redis.url}`] as const;
  const size = async (namespace: string, kind: string, fits: (replicas: number) => boolean) => {
    const target = `/apis/apps/v1/namespaces/${namespace}/${kind}`;
    let last: number | undefined;
    const hasIt = async () => {
      last = (await plane.request<{ spec: { replicas: number } } & Thing>("GET", target)).spec.replicas;
      return fits(last);
    };
    await waitFor(`the size of ${namespace}`, hasIt, waitMs).catch((cause: unknown) => {
      throw new Error(`${namespace} has ${last} replicas`, { cause });
    });
  };
  const mails = async (name: string, count: number) => {
    const queue = new Queue(name, { connection: house.client as never });
    queue.on("error", () => {});
    await queue.addBulk(Array.from({ length: count }, () => ({ name: "job", data: {} })));
    await queue.close();
  };

  it("size a pool of BullMQ workers by how long a mail waits", async () => {
    await secret("mails", "redis", { password });
    await apply("bullmq.yaml", "mails", address("redis://redis.default:6379/0"));
    await plane.kubectl(["-n", "mails", "wait", "--for=condition=Ready", "sw/mails", "--timeout=120s"]);
    await mails("mails", 10_000);
    await size("mails", "deployments/mails", (replicas) => replicas === 20);
  });

  it("size a pool of Celery workers over a connection that others share", {
    skip: "missing" in python && python.missing,
  }, async () => {
    assert.ok("python" in python);
    await secret("worktide-system", "shared-redis", { password });
    await apply("celery.yaml", "team-reports", address("redis://redis.infra:6379/0"));
    await plane.kubectl(["-n", "team-reports", "wait", "--for=condition=Ready", "sw/reports", "--timeout=120s"]);
    const env = { REDIS_URL: house.redis.url };
    await produceTasks(python.python, env, [
      { queue: "reports", count: 60 },
      { queue: "exports", count: 60 },
    ]);
    // 120 of 40 s within 600 s, two at a time, and whatever goes on coming.
    await size("team-reports", "deployments/reports", (replicas) => replicas >= 4);
  });

  it("make a Job for each message, and let those that run be", async () => {
    await secret("videos", "videos-redis", { url: house.redis.url });
    await apply("jobs.yaml", "videos");
    await house.push("videos", 3);
    type List = {
      items: readonly { metadata: { name: string }; spec: { template: { spec: { containers: { image: string }[] } } } }[];
    };
    const jobs = async () => (await plane.request<List>("GET", "/apis/batch/v1/namespaces/videos/jobs")).items;
    await waitFor("three Jobs", async () => (await jobs()).length === 3, waitMs);
    for (const { spec } of await jobs()) assert.equal(spec.template.spec.containers[0]?.image, "registry.example/encode:1");
    await house.client.del("videos");
    await plane.kubectl(["-n", "videos", "wait", "--for=jsonpath={.status.reason}=WorkersBusy", "sw/videos", "--timeout=120s"]);
    assert.equal((await jobs()).length, 3);
  });

  it("grow a StatefulSet by two at a time, and give it the size back that it had", async () => {
    await secret("thumbs", "redis", { password });
    const plain = `redis: { url: "${house.redis.url}", username: worktide, passwordFrom: { secretKeyRef: { name: redis, key: password } } }`;
    await apply("statefulset.yaml", "thumbs", [/redis:\n {4}sentinel:[\s\S]*?(?=\n---)/, plain]);
    await plane.kubectl(["-n", "thumbs", "wait", "--for=condition=Ready", "sw/thumbs", "--timeout=120s"]);
    await plane.kubectl(["-n", "thumbs", "wait", "--for=jsonpath={.metadata.finalizers[0]}", "sw/thumbs", "--timeout=120s"]);
    await mails("thumbs", 700);
    await size("thumbs", "statefulsets/thumbs", (replicas) => replicas === 3);
    await plane.kubectl(["-n", "thumbs", "delete", "sw/thumbs", "--timeout=120s"]);
    await size("thumbs", "statefulsets/thumbs", (replicas) => replicas === 1);
  });
});
