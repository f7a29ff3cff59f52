import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { createClient } from "@redis/client";
import type { Access } from "../support/cluster/access.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { startRedis } from "../support/redis.ts";
import { sharedControlPlane } from "../support/shared-control-plane.ts";
import { waitFor } from "../support/wait.ts";
import { openClusterHouse, waitMs } from "./house.ts";

describe("worktide controller", { skip: await noControlPlane() }, () => {
  let plane: Access;
  before(async () => {
    plane = await sharedControlPlane();
  });
  after(() => plane?.[Symbol.asyncDispose]());

  it("sizes a Deployment from zero to what its queue asks for, and back, and tells of it", async () => {
    await using house = await openClusterHouse(plane);
    await house.pool("mails");
    await using life = await house.start();
    await house.reason("mails", "Empty");
    await house.push("mails", 7);
    await house.size("mails", 4);
    const { status } = await house.reason("mails", "WorkWaiting");
    assert.equal(status?.desired, 4);
    const printed = await plane.kubectl(["-n", house.room, "get", "sw"]);
    assert.match(
      printed,
      /^NAME +TARGET +REPLICAS +DESIRED +MAX +READY +REASON +AGE\nmails +mails +\d +4 +5 +True +WorkWaiting +/,
    );
    await plane.kubectl(["-n", house.room, "wait", "--for=condition=Ready", "sw/mails", "--timeout=60s"]);
    const metrics = await (await fetch(`${life.url}/metrics`)).text();
    for (const asked of ['verb="update",kind="Deployment/scale"', 'verb="watch",kind="Pod"', 'verb="list",kind="ScaledWorker"']) {
      assert.match(metrics, new RegExp(`worktide_apiserver_requests_total\\{${asked},code="200"\\} [1-9]`));
    }
    await house.client.del("mails");
    await house.size("mails", 0);
    await plane.kubectl(["-n", house.room, "wait", "--for=jsonpath={.status.replicas}=0", "sw/mails", "--timeout=60s"]);
    await waitFor(
      "events of both changes",
      async () => {
        const told = await house.events("mails");
        const of = (reason: string) => told.find((event) => event.reason === reason)?.related?.kind;
        return of("ScaledFromZero") === "Deployment" && of("ScaledToZero") === "Deployment";
      },
      waitMs,
    );
    assert.equal(life.said.filter((line) => line.includes("something failed")).length, 0, life.said.join("\n"));
  });

  it("writes nothing while nothing changes, but its Lease", async () => {
    await using house = await openClusterHouse(plane);
    await house.pool("mails");
    await using _ = await house.start();
    await house.push("mails", 4);
    await house.size("mails", 2);
    await house.reason("mails", "WorkWaiting");
    const versions = async () => {
      const worker = await house.get("mails");
      const deployment = await plane.request("GET", `${house.apps}/deployments/mails`);
      return [worker.metadata.resourceVersion, deployment.metadata.resourceVersion, (await house.events("mails")).length];
    };
    let before = await versions();
    const resting = async () => {
      const last = before;
      await pause(2_000);
      before = await versions();
      return isDeepStrictEqual(before, last);
    };
    await waitFor("pods and status of the Deployment to come to rest", resting, waitMs);
    for (let i = 0; i < 10; i++) {
      await house.client.set("other", String(i));
      await pause(500);
    }
    assert.deepEqual(await versions(), before);
  });

  it("says at once that a Secret or a connection is missing, goes on when it is there, and takes a rotated one", async () => {
    await using house = await openClusterHouse(plane);
    await house.client.configSet("requirepass", "first-password");
    await house.deployment("mails", 0);
    await house.worker("mails");
    await using life = await house.start();
    const { status } = await house.reason("mails", "ConnectionNotFound");
    assert.equal(status?.conditions?.find(({ type }) => type === "Stalled")?.status, "True");
    const passwordFrom = { secretKeyRef: { name: "redis", key: "password" } };
    await house.connection("main", { redis: { url: house.redis.url, passwordFrom } });
    await house.reason("mails", "SecretNotFound");
    await house.secret("redis", { password: "first-password" });
    await house.push("mails", 2);
    await house.size("mails", 1);
    await house.client.configSet("requirepass", "second-password");
    await plane.request("PATCH", `${house.core}/secrets/redis`, { stringData: { password: "second-password" } });
    const mine = await house.client.clientId();
    const clients = (await house.client.sendCommand(["CLIENT", "LIST"])) as string;
    for (const [, id] of clients.matchAll(/^id=(\d+) /gm)) {
      if (Number(id) !== mine) await house.client.sendCommand(["CLIENT", "KILL", "ID", String(id)]);
    }
    await house.push("mails", 4);
    await house.size("mails", 3);
    for (const secret of ["first-password", "second-password"]) {
      const seen = [...life.said, JSON.stringify(await house.get("mails")), JSON.stringify(await house.events("mails"))];
      assert.ok(!seen.join("\n").includes(secret), `${secret} was told`);
    }
  });

  it("keeps the spec before in force when an edit is refused, and tells", async () => {
    await using house = await openClusterHouse(plane);
    await house.pool("mails");
    await using _ = await house.start();
    await house.push("mails", 4);
    await house.size("mails", 2);
    // What CEL cannot say: nothing would prove a worker idle.
    const blind = { name: "jobs", connection: "main", redis: { list: { key: "mails" } }, goal: { waitingPerReplica: 2 } };
    await house.patch("mails", { spec: { triggers: [blind] } });
    const { status, metadata } = await house.reason("mails", "InvalidSpec");
    assert.equal(status?.observedGeneration, metadata["generation"]);
    await house.push("mails", 4);
    await house.size("mails", 4);
  });

  it("tells of a spec that was refused while nobody led, once it leads", async () => {
    await using house = await openClusterHouse(plane);
    await house.connection("main");
    const blind = { name: "jobs", connection: "main", redis: { list: { key: "mails" } }, goal: { waitingPerReplica: 2 } };
    await house.worker("mails", { triggers: [blind] });
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${house.room}/leases`;
    await plane.request("POST", leases, {
      metadata: { name: "worktide" },
      spec: { holderIdentity: "dead", leaseDurationSeconds: 5 },
    });
    await using _ = await house.start();
    await house.reason("mails", "InvalidSpec");
  });

  it("tells of a target that went while no controller ran, and follows its spec meanwhile", async () => {
    await using house = await openClusterHouse(plane);
    await house.pool("mails");
    {
      await using _ = await house.start();
      await house.reason("mails", "Empty");
    }
    await plane.request("DELETE", `${house.apps}/deployments/mails`);
    await using _ = await house.start();
    const { status } = await house.reason("mails", "TargetNotFound");
    assert.equal(status?.conditions?.find(({ type }) => type === "Stalled")?.status, "True");
    const { metadata } = await house.patch("mails", { spec: { replicas: { max: 6 } } });
    const seen = async () => (await house.get("mails")).status?.observedGeneration === metadata["generation"];
    await waitFor("the new generation to be taken in", seen, waitMs);
  });

  it("lets an object have one ScaledWorker: the first; the next one waits for it", async () => {
    await using house = await openClusterHouse(plane);
    await house.pool("mails");
    await using _ = await house.start();
    await house.reason("mails", "Empty");
    await house.worker("other", { target: { kind: "Deployment", name: "mails" } });
    const { status } = await house.reason("other", "Conflict");
    assert.match(status?.conditions?.find(({ type }) => type === "Ready")?.message ?? "", /'mails' has it/);
    await plane.request("DELETE", `${house.ours}/scaledworkers/mails`);
    await house.reason("other", "Empty");
  });

  it("leaves the target as it is when its ScaledWorker goes, without holding that up", async () => {
    await using house = await openClusterHouse(plane);
    await house.pool("mails");
    await using life = await house.start();
    await house.push("mails", 4);
    await house.size("mails", 2);
    const known = async () => (await fetch(`${life.url}/api/v1/workers/${house.room}/mails`)).status === 200;
    await waitFor("it to be known", known, waitMs);
    await plane.request("DELETE", `${house.ours}/scaledworkers/mails`);
    await assert.rejects(house.get("mails"), /404/);
    // Until it knows, what the queue asks for is still done.
    await waitFor("its end to be known", async () => !(await known()), waitMs);
    await house.client.del("mails");
    await pause(2_000);
    assert.equal(await house.replicas("mails"), 2);
  });

  it("lets Jobs that run outlive their ScaledWorker, counts them for the next one of that name, and removes those that have ended", async () => {
    await using house = await openClusterHouse(plane);
    await house.connection("main");
    const container = { name: "worker", image: "none", imagePullPolicy: "Never" };
    const job = {
      template: { spec: { backoffLimit: 0, template: { spec: { restartPolicy: "Never", containers: [container] } } } },
    };
    const declare = () => house.worker("mails", { target: { job } });
    await declare();
    await using _ = await house.start();
    await house.push("mails", 4);
    const jobs = `/apis/batch/v1/namespaces/${house.room}/jobs`;
    type JobThing = { metadata: { name: string; uid: string; deletionTimestamp?: string } };
    const list = async () => (await plane.request<{ items: JobThing[] }>("GET", jobs)).items;
    const names = async () =>
      (await list())
        .map(({ metadata }) => metadata.name)
        .toSorted()
        .join();
    await waitFor("two Jobs", async () => (await names()) === "mails-1-1,mails-2-1", waitMs);
    const uids = (await list()).map(({ metadata }) => metadata.uid);
    await plane.request("DELETE", `${house.ours}/scaledworkers/mails`);
    await house.push("mails", 2);
    await declare();
    await waitFor("a third beside the two", async () => (await names()) === "mails-1-1,mails-2-1,mails-3-1", waitMs);
    assert.deepEqual(
      (await list()).slice(0, 2).map(({ metadata }) => metadata.uid),
      uids,
    );
    await house.client.del("mails"); // what ends is not to be replaced
    await house.reason("mails", "WorkersBusy");
    const pods = `${house.core}/pods`;
    const find = async () =>
      (await plane.request<{ items: { metadata: { name: string; labels: Record<string, string> } }[] }>("GET", pods)).items.find(
        ({ metadata }) => metadata.labels["job-name"] === "mails-1-1",
      );
    await waitFor("its pod", async () => (await find()) !== undefined, waitMs);
    await plane.request("PATCH", `${pods}/${(await find())?.metadata.name}/status`, { status: { phase: "Succeeded" } });
    await waitFor("its end", async () => /"type":"Complete"/.test(JSON.stringify(await list())), waitMs);
    await plane.request("DELETE", `${house.ours}/scaledworkers/mails`);
    await waitFor("the one that has ended to go alone", async () => (await names()) === "mails-2-1,mails-3-1", waitMs);
  });

  it("gives the target the size back that it had, where that was asked for, and hangs at nothing", async () => {
    await using house = await openClusterHouse(plane);
    await house.deployment("mails", 1);
    await house.connection("main");
    await house.worker("mails", { onDelete: "Restore", replicas: { min: 2, max: 5 } });
    await using _ = await house.start();
    await house.size("mails", 2);
    const finalizers = async () => (await house.get("mails")).metadata["finalizers"];
    await waitFor("the finalizer", async () => JSON.stringify(await finalizers()) === '["worktide.dev/restore"]', waitMs);
    await waitFor("the size before us", async () => (await house.get("mails")).status?.size?.original === 1, waitMs);
    await plane.request("DELETE", `${house.ours}/scaledworkers/mails`);
    await house.size("mails", 1);
    await waitFor(
      "it to be gone",
      () =>
        house.get("mails").then(
          () => false,
          () => true,
        ),
      waitMs,
    );
    await house.worker("mails", { onDelete: "Restore", replicas: { min: 2, max: 5 } });
    await house.size("mails", 2);
    await waitFor("the finalizer again", async () => (await finalizers()) !== undefined, waitMs);
    await plane.request("DELETE", `${house.apps}/deployments/mails`);
    await plane.request("DELETE", `${house.ours}/scaledworkers/mails`);
    await waitFor(
      "it to be gone without its target",
      () =>
        house.get("mails").then(
          () => false,
          () => true,
        ),
      waitMs,
    );
  });

  it("holds up no namespace that ends, whatever is to be restored in it, and goes on with the others", async () => {
    await using house = await openClusterHouse(plane);
    await using other = await openClusterHouse(plane);
    const own = ["--namespaces", `${house.room},${other.room}`, "--lease-namespace", other.room];
    await using life = await house.start([], plane.kubeconfig, own);
    for (const pool of [house, other]) await pool.pool("mails");
    await house.patch("mails", { spec: { onDelete: "Restore" } });
    await waitFor("the finalizer", async () => (await house.get("mails")).metadata["finalizers"] !== undefined, waitMs);
    await house.push("mails", 4);
    await house.size("mails", 2);
    await plane.request("DELETE", `/api/v1/namespaces/${house.room}`);
    await waitFor(
      "it to be gone",
      () =>
        plane.request("GET", `/api/v1/namespaces/${house.room}`).then(
          () => false,
          () => true,
        ),
      waitMs,
    );
    await other.push("mails", 4);
    await other.size("mails", 2);
    assert.ok(!life.said.some((line) => line.includes('"msg":"stands by"')), "it led all the time");
  });

  it("takes another target for another one: it is nobody's zero, and gets back the size of its own", async () => {
    await using house = await openClusterHouse(plane);
    await house.deployment("mails", 1);
    await house.deployment("other", 2);
    // A zero that came through `/scale` has no owner: by the size of the one before it looks like somebody's.
    await plane.kubectl(["-n", house.room, "scale", "deployment/other", "--replicas=0"]);
    await house.connection("main");
    await house.worker("mails", { onDelete: "Restore" });
    await using _ = await house.start();
    await house.push("mails", 6);
    await house.size("mails", 3);
    const original = async () => (await house.get("mails")).status?.size?.original;
    await waitFor("its size to be remembered", async () => (await original()) === 1, waitMs);
    await house.patch("mails", { spec: { target: { name: "other" } } });
    await house.size("other", 3);
    assert.equal(await house.replicas("mails"), 3, "the former one keeps the size that it has");
    await waitFor("that of the other one", async () => (await original()) === 0, waitMs);
    await waitFor("the finalizer", async () => (await house.get("mails")).metadata["finalizers"] !== undefined, waitMs);
    await plane.request("DELETE", `${house.ours}/scaledworkers/mails`);
    await house.size("other", 0);
    assert.equal(await house.replicas("mails"), 3);
  });

  it("leaves a target to a HorizontalPodAutoscaler that comes, says so, may observe, and takes it back, from zero too", async () => {
    await using house = await openClusterHouse(plane);
    await house.pool("mails");
    await using _ = await house.start();
    await house.push("mails", 2);
    await house.size("mails", 1);
    const autoscalers = `/apis/autoscaling/v2/namespaces/${house.room}/horizontalpodautoscalers`;
    await plane.request("POST", autoscalers, {
      metadata: { name: "old" },
      spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "mails" } },
    });
    const { status } = await house.reason("mails", "Conflict");
    assert.match(JSON.stringify(status), /must not be the target of a HorizontalPodAutoscaler: 'old' scales it too; delete that/);
    await house.push("mails", 4);
    await pause(2_000);
    assert.equal(await house.replicas("mails"), 1);
    await house.patch("mails", { spec: { mode: "Observe" } });
    await house.reason("mails", "ObserveOnly");
    // As whoever is to be replaced does: that is nobody's wish that nothing runs.
    await plane.kubectl(["-n", house.room, "scale", "deployment/mails", "--replicas=0"]);
    await waitFor("zero to be seen", async () => (await house.get("mails")).status?.size?.replicas === 0, waitMs);
    await house.patch("mails", { spec: { mode: "Scale" } });
    await house.reason("mails", "Conflict");
    await plane.request("DELETE", `${autoscalers}/old`);
    await house.size("mails", 3);
    await house.reason("mails", "WorkWaiting");
  });

  it("is paused by annotation: one direction, both, and until a time, after which it goes on by itself", async () => {
    await using house = await openClusterHouse(plane);
    await house.pool("mails");
    await using _ = await house.start();
    await house.push("mails", 2);
    await house.size("mails", 1);
    const annotate = (annotations: object) => house.patch("mails", { metadata: { annotations } });
    await annotate({ "worktide.dev/paused": "down", "worktide.dev/paused-reason": "ann moves the database" });
    const { status, metadata } = await house.reason("mails", "PausedBySpec");
    assert.match(JSON.stringify(status), /ann moves the database/);
    assert.equal(metadata["generation"], 1);
    await house.push("mails", 4);
    await house.size("mails", 3);
    await annotate({ "worktide.dev/paused": "true" });
    await house.client.del("mails");
    await pause(2_000);
    assert.equal(await house.replicas("mails"), 3);
    await annotate({ "worktide.dev/paused-until": new Date(Date.now() + 2_000).toISOString() });
    await house.size("mails", 0);
    await house.reason("mails", "Empty");
  });

  it("follows a connection that is changed to another address at once", async () => {
    await using house = await openClusterHouse(plane);
    await using other = await startRedis();
    await house.pool("mails");
    await using _ = await house.start();
    await house.push("mails", 2);
    await house.size("mails", 1);
    const client = createClient({ url: other.url }).on("error", () => {});
    await client.connect();
    await client.lPush("mails", new Array<string>(6).fill("job"));
    client.destroy();
    await plane.request("PATCH", `${house.ours}/queueconnections/main`, { spec: { redis: { url: other.url } } });
    await house.size("mails", 3);
    const clients = async () =>
      String(await house.client.sendCommand(["CLIENT", "LIST"]))
        .trim()
        .split("\n").length;
    await waitFor("the former one to be left", async () => (await clients()) === 1, waitMs);
  });

  it("tells how each connection stands, and who uses it", async () => {
    await using house = await openClusterHouse(plane);
    await house.connection("main");
    await house.connection("unused");
    await house.deployment("mails", 0);
    await house.worker("mails");
    await using _ = await house.start();
    const printed = async () => plane.kubectl(["-n", house.room, "get", "qc"]);
    await waitFor(
      "both to be told",
      async () => /main .*True +Connected[\s\S]*unused .*True +Unused/.test(await printed()),
      waitMs,
    );
  });

  it("respects a zero that a person set, until somebody raises it, and after a restart too", async () => {
    await using house = await openClusterHouse(plane);
    await house.pool("mails");
    const first = await house.start();
    await house.push("mails", 4);
    await house.size("mails", 2);
    await plane.kubectl(["-n", house.room, "scale", "deployment/mails", "--replicas=0"]);
    await waitFor("the zero to be told", async () => (await house.get("mails")).status?.size?.zeroBy !== undefined, waitMs);
    first.signal("SIGTERM");
    assert.equal(await first.exited, 0);
    await using _ = await house.start();
    await house.push("mails", 4);
    await pause(3_000);
    assert.equal(await house.replicas("mails"), 0);
    await plane.kubectl(["-n", house.room, "scale", "deployment/mails", "--replicas=1"]);
    await house.size("mails", 4);
  });

  it("hands over within a second on SIGTERM, and after a crash within the lease: the standby is warm", async () => {
    await using house = await openClusterHouse(plane);
    await house.pool("mails");
    const first = await house.start(["--identity", "first"]);
    await first.says('"msg":"leads"');
    const second = await house.start(["--identity", "second"]);
    await second.says('"msg":"connected"');
    assert.ok(!second.said.some((line) => line.includes('"msg":"leads"')));
    await house.push("mails", 2);
    await house.size("mails", 1);
    assert.ok(!second.said.some((line) => line.includes('"msg":"scaled"')), "the standby wrote");
    first.signal("SIGTERM");
    await second.says('"msg":"leads"');
    assert.equal(await first.exited, 0);
    await house.push("mails", 2);
    await house.size("mails", 2);
    const third = await house.start(["--identity", "third"]);
    await third.says('"msg":"connected"');
    second.signal("SIGKILL");
    await house.push("mails", 2);
    await house.size("mails", 3);
    await third.says('"msg":"scaled"');
  });
});
