import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { backlog, fill } from "../faults/cluster/support/backlog.ts";
import { type ClusterStage, setClusterStage } from "../faults/cluster/support/stage.ts";
import { pool } from "../faults/support/pools.ts";
import type { Access } from "../support/cluster/access.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { sharedControlPlane } from "../support/shared-control-plane.ts";

const sized = ({ admin }: ClusterStage, jobs: number) =>
  admin.multi().del("backlog:backlog").rPush("backlog:backlog", fill(jobs)).exec();
const readyOf = (worker: Awaited<ReturnType<ClusterStage["get"]>>) =>
  worker.status?.conditions?.find(({ type }) => type === "Ready");

suite("What is declared is changed, taken away or wrong", { skip: await noControlPlane(), concurrency: 2 }, () => {
  let plane: Access;
  before(async () => {
    plane = await sharedControlPlane();
  });
  after(() => plane?.[Symbol.asyncDispose]());

  test("somebody sets the size again and again: it is raised only, and said who does (row 14)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    await stage.start();
    await stage.settles("backlog", 3);
    for (let round = 0; round < 3; round++) {
      await stage.scale("backlog", 1);
      await stage.size("backlog", 3);
    }
    const { status } = await stage.reason("backlog", "Conflict");
    assert.match(JSON.stringify(status), /has turned back the size three times/);
    await sized(stage, 5);
    await stage.size("backlog", 5);
    await stage.fault({ fault: "conflict", worker: "backlog" }, async () => {
      await sized(stage, 1);
      await pause(3_000);
      assert.equal(await stage.replicas("backlog"), 5, "nothing is lowered while somebody else sets it too");
      await stage.judge();
    });
  });

  test("the Deployment changes all the time, and each write meets another version: sizes are written all the same (row 9)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    await stage.start();
    await stage.settles("backlog", 3);
    let turns = 0;
    let busy = true;
    const others = (async () => {
      while (busy) {
        await plane.request("PATCH", `${stage.paths.apps}/deployments/backlog`, {
          metadata: { annotations: { turn: `${turns++}` } },
        });
        await pause(10);
      }
    })();
    for (const jobs of [6, 9, 4, 7, 9, 5]) {
      await sized(stage, jobs);
      await stage.size("backlog", jobs);
    }
    busy = false;
    await others;
    const { lines } = await stage.judge();
    const conflicts = lines.filter((line) => line.kind === "api" && line.what === "scale" && line.code === 409);
    assert.ok(turns > 20 && conflicts.length > 0, `${turns} changes, ${conflicts.length} conflicts`);
  });

  test("an edit comes in the midst of decisions, again and again: each write keeps to the bounds in force (row 71)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    await stage.start();
    await stage.settles("backlog", 3);
    for (const [jobs, max] of [
      [9, 6],
      [9, 8],
      [7, 4],
    ] as const) {
      const edited = stage.edit({ ...backlog, max });
      await sized(stage, jobs);
      await edited;
      await stage.size("backlog", Math.min(jobs, max));
    }
    await stage.settles("backlog", 4);
    await stage.judge();
  });

  test("values that are wrong in ways that no schema can say: what was in force stays in force, and it says so (row 70)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    await stage.start();
    await stage.settles("backlog", 3);
    const bad = { spec: { scaleDown: { protect: "busy" } } }; // nobody would know who is busy in a plain list
    await plane.request("PATCH", `${stage.paths.ours}/scaledworkers/backlog`, bad);
    const refused = await stage.reason("backlog", "InvalidSpec");
    assert.equal(readyOf(refused)?.status, "False");
    for (const wrong of [{ replicas: { min: 4, max: 2 } }, { triggers: [] }, { replica: { min: 1 } }, { concurrency: 1e9 }]) {
      const url = `${stage.paths.ours}/scaledworkers/backlog?fieldValidation=Strict`;
      await assert.rejects(plane.request("PATCH", url, { spec: wrong }), /: 4(00|22) /);
    }
    await sized(stage, 5);
    await stage.size("backlog", 5);
    await stage.judge();
  });

  test("two ScaledWorkers have one Deployment, and no webhook is there: the first has it (row 69)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    await stage.start();
    await stage.settles("backlog", 3);
    const { spec } = await stage.get("backlog");
    await plane.request("POST", `${stage.paths.ours}/scaledworkers`, {
      ...{ apiVersion: "worktide.dev/v1alpha1", kind: "ScaledWorker", metadata: { name: "second" } },
      spec: { ...spec, replicas: { min: 7, max: 9 } },
    });
    await stage.reason("second", "Conflict");
    await sized(stage, 5);
    await stage.size("backlog", 5);
    await stage.settles("backlog", 5);
    await stage.judge();
  });

  test("a pause outlives a kill, holds while jobs pile up, and ends when it is taken away (row 72)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const first = await stage.start();
    await stage.settles("backlog", 3);
    await stage.edit({ ...backlog, pause: { directions: "Both", reason: "a drill" } });
    await stage.reason("backlog", "PausedBySpec");
    await sized(stage, 7);
    await pause(1_000);
    assert.equal(await stage.replicas("backlog"), 3);
    await first.end("SIGKILL");
    const second = await stage.start();
    await second.leads();
    await pause(2_000);
    assert.equal(await stage.replicas("backlog"), 3);
    await stage.edit(backlog);
    await stage.size("backlog", 7);
    await stage.settles("backlog", 7);
    await stage.judge();
  });

  test("bad ones among good ones: no target, no scale, no connection, a dead one; the good one never notices (row 26)", async () => {
    const calm = pool("calm", { kind: "list", connection: "steady", waitingPerReplica: 1, max: 9 });
    await using stage = await setClusterStage(plane, { pools: [backlog, calm] });
    const add = (name: string, change: object) =>
      plane.request("POST", `${stage.paths.ours}/scaledworkers`, {
        ...{ apiVersion: "worktide.dev/v1alpha1", kind: "ScaledWorker", metadata: { name } },
        spec: {
          target: { kind: "Deployment", name },
          triggers: [
            {
              name: "jobs",
              connection: "steady",
              redis: { list: { key: name } },
              goal: { waitingPerReplica: 1 },
              every: "200ms",
            },
          ],
          replicas: { max: 2 },
          scaleDown: { protect: "grace" },
          ...change,
        },
      });
    await add("no-target", {});
    await add("no-scale", { target: { apiVersion: "v1", kind: "ConfigMap", name: "some" } });
    await plane.request("POST", `${stage.paths.apps}/deployments`, {
      metadata: { name: "no-connection" },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: "no-connection" } },
        template: { metadata: { labels: { app: "no-connection" } }, spec: { containers: [{ name: "worker", image: "none" }] } },
      },
    });
    await add("no-connection", {
      triggers: [{ name: "jobs", connection: "none", redis: { list: { key: "a" } }, goal: { waitingPerReplica: 1 } }],
    });
    await stage.start();
    await stage.settles("calm", 3);
    await stage.fault({ fault: "hole", connection: "main" }, async () => {
      await stage.proxy.set({ kind: "hole" });
      for (const [name, reason] of [
        ["no-target", "TargetNotFound"],
        ["no-scale", "TargetNotScalable"],
        ["no-connection", "ConnectionNotFound"],
      ] as const) {
        await stage.reason(name, reason);
      }
      for (const jobs of [6, 2]) {
        await stage.adminOf(calm).multi().del("backlog:calm").rPush("backlog:calm", fill(jobs)).exec();
        await stage.size("calm", jobs);
      }
      await stage.proxy.set({ kind: "pass" });
      stage.proxy.cut();
    });
    await stage.settles("backlog", 3);
    await stage.judge();
  });

  test("its rights are taken away and given back: it says which, lowers nothing, and goes on (row 63)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    await stage.start();
    await stage.settles("backlog", 3);
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${stage.room}/roles/controller-1`;
    const { rules } = (await plane.request("GET", rbac)) as unknown as { rules: { resources: string[] }[] };
    await stage.fault({ fault: "forbidden" }, async () => {
      await plane.request("PATCH", rbac, { rules: rules.filter(({ resources }) => !resources.includes("deployments/scale")) });
      await sized(stage, 5);
      const { status } = await stage.reason("backlog", "Forbidden");
      assert.match(JSON.stringify(status), /deployments\/scale/);
      await plane.request("PATCH", rbac, { rules });
      await stage.size("backlog", 5);
    });
    await stage.settles("backlog", 5);
    await stage.judge();
  });

  test("the namespace ends: nothing of ours holds that up, and nothing is written into it (row 62)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const { life } = await stage.start();
    await stage.settles("backlog", 3);
    await stage.fault({ fault: "the namespace ends", undeclared: true }, async () => {
      await plane.request("DELETE", `/api/v1/namespaces/${stage.room}`);
      await sized(stage, 9);
      await stage.wait("the ScaledWorker to be gone", async () =>
        stage.get("backlog").then(
          () => false,
          () => true,
        ),
      );
    });
    assert.ok(!life.gone());
    await stage.judge();
  });
  test("deleted, made without its key, and whole again: it is not known meanwhile, nobody logs in without one (row 73)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    await stage.start();
    await stage.settles("backlog", 3);
    // Whoever takes the missing one for an empty one is let in, and reads an empty queue.
    await stage.admin.aclSetUser("default", ["on", "nopass", "~*", "+@all"]);
    const secrets = `${stage.paths.core}/secrets`;
    await stage.fault({ fault: "no secret", connection: "main" }, async () => {
      await plane.request("DELETE", `${secrets}/redis`);
      stage.proxy.cut();
      await stage.reason("backlog", "SecretNotFound");
      await plane.request("POST", secrets, { metadata: { name: "redis" }, stringData: { other: "x" } });
      stage.proxy.cut();
      await stage.admin.del("backlog:backlog");
      await stage.wait("the key to be missed", async () =>
        /\bpassword\b/.test(JSON.stringify((await stage.get("backlog")).status)),
      );
      assert.equal(await stage.replicas("backlog"), 3);
      await stage.admin.rPush("backlog:backlog", ["1", "2", "3", "4"]);
      await plane.request("PATCH", `${secrets}/redis`, { stringData: { password: stage.password } });
      await stage.size("backlog", 4);
    });
    await stage.judge();
  });
  test("a webhook of somebody denies sizes: it is named, nothing is taken for done, and it goes on after that (row 60)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    await stage.start();
    await stage.settles("backlog", 3);
    const url = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    const name = `deny-${stage.room}`;
    await plane.request("POST", url, {
      metadata: { name },
      webhooks: [
        {
          name: "sizes.guard.example",
          clientConfig: { url: "https://127.0.0.1:1/deny" },
          rules: [{ apiGroups: ["apps"], apiVersions: ["v1"], operations: ["UPDATE"], resources: ["deployments/scale"] }],
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": stage.room } },
          failurePolicy: "Fail",
          sideEffects: "None",
          admissionReviewVersions: ["v1"],
        },
      ],
    });
    try {
      await stage.fault({ fault: "webhook" }, async () => {
        await sized(stage, 5);
        await stage.wait(
          "it to be said",
          async () =>
            JSON.stringify(await plane.request("GET", `/apis/events.k8s.io/v1/namespaces/${stage.room}/events`)).includes(
              "guard",
            ) || JSON.stringify((await stage.get("backlog")).status).includes("guard"),
        );
        assert.equal(await stage.replicas("backlog"), 3);
        await plane.request("DELETE", `${url}/${name}`);
        await stage.size("backlog", 5);
      });
    } finally {
      await plane.request("DELETE", `${url}/${name}`).catch(() => {});
    }
    await stage.settles("backlog", 5);
    await stage.judge();
  });
});
