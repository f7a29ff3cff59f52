import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { ApiError, type ControlPlane, noControlPlane, startControlPlane } from "../support/control-plane.ts";
import { createUser, namespace } from "../support/shared-control-plane.ts";
import { patienceMs, waitFor } from "../support/wait.ts";

const WAIT_MS = patienceMs;

/** The deployments of a namespace. */
const deployments = (of: string) => `/apis/apps/v1/namespaces/${of}/deployments`;
const deployment = (name: string, replicas: number) => ({
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "worker", image: "none" }] } },
  },
});
type Deployment = { status: { replicas?: number } };
type List = { items: readonly unknown[] };

describe("the control plane for tests", { skip: await noControlPlane() }, () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await startControlPlane();
  });
  after(() => plane.stop());

  it("runs the controllers: a Deployment gets its pods, and as many as its scale says", async () => {
    await using room = await namespace(plane);
    await plane.request("POST", deployments(room.name), deployment("mails", 2));
    const has = (replicas: number) =>
      waitFor(
        `${replicas} replicas`,
        async () => {
          const { status } = await plane.request<Deployment>("GET", `${deployments(room.name)}/mails`);
          const { items } = await plane.request<List>("GET", `/api/v1/namespaces/${room.name}/pods`);
          return (status.replicas ?? 0) === replicas && items.length === replicas;
        },
        WAIT_MS,
      );
    await has(2);
    await plane.request("PATCH", `${deployments(room.name)}/mails/scale`, { spec: { replicas: 5 } });
    await has(5);
    await plane.kubectl(["-n", room.name, "scale", "deployment/mails", "--replicas=0"]);
    await has(0);
  });

  it("refuses what RBAC does not allow", async () => {
    await using room = await namespace(plane);
    const rules = [{ apiGroups: ["apps"], resources: ["deployments/scale"], verbs: ["get", "patch"] }];
    await using user = await createUser(plane, { namespace: room.name, name: "scaler", rules });
    await plane.request("POST", deployments(room.name), deployment("mails", 0));
    const scaled = await user.request("PATCH", `${deployments(room.name)}/mails/scale`, { spec: { replicas: 1 } });
    assert.deepEqual(scaled["spec"], { replicas: 1 });
    const refused = (error: unknown) => error instanceof ApiError && error.status === 403;
    await assert.rejects(user.request("GET", `${deployments(room.name)}/mails`), refused);
  });

  it("keeps its data when the API server and etcd are killed", async () => {
    await using room = await namespace(plane);
    await plane.request("POST", deployments(room.name), deployment("mails", 0));
    const before = plane.apiserver.pid;
    await plane.apiserver.kill9();
    await assert.rejects(plane.request("GET", "/readyz"));
    await plane.etcd.restart();
    await plane.apiserver.restart();
    assert.notEqual(plane.apiserver.pid, before);
    const kept = await plane.request("GET", `${deployments(room.name)}/mails`);
    assert.equal(kept.metadata.name, "mails");
  });

  it("answers nothing while the API server is stopped, and everything afterwards", async () => {
    plane.apiserver.stopProcess();
    const answered = plane.request<string>("GET", "/readyz");
    const first = await Promise.race([
      answered.then(() => "answered"),
      new Promise((resolve) => setTimeout(resolve, 500, "silent")),
    ]);
    plane.apiserver.contProcess();
    assert.equal(first, "silent");
    assert.equal(await answered, "ok");
  });

  it("leaves nothing behind when the tests are killed", async () => {
    const code = `const { startControlPlane } = await import(${JSON.stringify(new URL("../support/control-plane.ts", import.meta.url).href)});
      const { dir, apiserver, etcd } = await startControlPlane();
      console.log(JSON.stringify({ dir, pids: [apiserver.pid, etcd.pid] }));
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = await once(child.stdout.setEncoding("utf8"), "data");
    const { dir, pids } = JSON.parse(line);
    child.kill("SIGKILL");
    const gone = () =>
      access(dir).then(
        () => false,
        () => pids.every((pid: number) => !isAlive(pid)),
      );
    await waitFor("the end of its processes and files", gone, WAIT_MS);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
