import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeError } from "../../src/kube/kube.ts";
import { contend } from "../../src/kube/lease.ts";
import { watchList } from "../../src/kube/watch-list.ts";
import { type ConfigMap, clientThrough, configMaps, planeForSuite } from "../kube/support.ts";
import { startControlPlane } from "../support/control-plane.ts";
import { startProxy } from "../support/proxy.ts";
import { waitFor } from "../support/wait.ts";

const { skip, plane, kube } = await planeForSuite(startControlPlane);
const space = "default";
const ref = (name: string) => ({ kind: configMaps, namespace: space, name });
const follow = (kube: KubeClient) =>
  watchList(kube, { kind: configMaps, namespaces: [space] }, ({ data }: ConfigMap) => data?.["x"] ?? "");

/** A real API server that is stopped, killed and cut off. */
describe("when the API server", { skip }, () => {
  const put = (name: string, x: string) => kube.create(configMaps, { metadata: { name, namespace: space }, data: { x } });
  const set = (name: string, x: string) => kube.patch<ConfigMap>(ref(name), { type: "merge", body: { data: { x } } });

  it("is killed and comes back, everything goes on by itself, and no change is missed (rows 21, 85)", async () => {
    await put("killed", "1");
    await using list = follow(kube);
    await using leadership = contend({ kube, namespace: space, name: "killed", identity: "me", durationMs: 5_000 });
    await list.synced;
    await waitFor("to lead", () => leadership.isLeader());
    await plane.apiserver.kill9();
    const failure = await set("killed", "2").catch((error: unknown) => error);
    assert.ok(failure instanceof KubeError && failure.status === 0, String(failure));
    await waitFor("the problem", () => list.problem() !== undefined);
    assert.equal(list.get(`${space}/killed`), "1", "what was known stays known");
    await waitFor("to lead no more", () => !leadership.isLeader());
    await plane.apiserver.restart();
    await waitFor("a write to pass", () =>
      set("killed", "3").then(
        () => true,
        () => false,
      ),
    );
    await waitFor("the change", () => list.get(`${space}/killed`) === "3");
    await waitFor("to lead again", () => leadership.isLeader());
  });

  it("is stopped, each call ends in time, its outcome is unknown, and a leader stops leading (rows 21, 23, 24)", async () => {
    await put("stopped", "1");
    await using list = follow(kube);
    await using leadership = contend({ kube, namespace: space, name: "stopped", identity: "me", durationMs: 5_000 });
    await list.synced;
    await waitFor("to lead", () => leadership.isLeader());
    plane.apiserver.stopProcess();
    const began = performance.now();
    const results = await Promise.all(
      [set("stopped", "2"), kube.get(ref("stopped"))].map((call) => call.catch((error: unknown) => error)),
    );
    assert.ok(performance.now() - began < 20_000);
    const [write, read] = results;
    assert.ok(write instanceof KubeError && write.reason === "Timeout" && write.outcome === "unknown", String(write));
    assert.ok(read instanceof KubeError && read.outcome === "refused", String(read));
    await waitFor("to lead no more", () => !leadership.isLeader());
    plane.apiserver.contProcess();
    await waitFor("a read to pass", () =>
      kube.get(ref("stopped")).then(
        () => true,
        () => false,
      ),
    );
    await waitFor("to lead again", () => leadership.isLeader());
    await set("stopped", "3");
    await waitFor("the change", () => list.get(`${space}/stopped`) === "3");
  });

  it("waits for its store, a write is done once, late (row 83)", async () => {
    const made = await put("slow", "1");
    plane.etcd.stopProcess();
    const writing = set("slow", "2");
    await pause(2_000);
    plane.etcd.contProcess();
    const done = await writing;
    const { metadata } = await kube.get<ConfigMap>(ref("slow"));
    assert.deepEqual([done.data?.["x"], metadata.resourceVersion], ["2", done.metadata.resourceVersion]);
    assert.notEqual(made.metadata.resourceVersion, metadata.resourceVersion);
  });

  it("is behind a connection that has died silently, calls find another one, and so do watches (rows 8, 23)", async () => {
    await put("frozen", "1");
    await using proxy = await startProxy(() => Number(new URL(plane.url).port));
    await using through = await clientThrough(plane, proxy.port);
    await using list = follow(through);
    await list.synced;
    await set("frozen", "1b");
    await waitFor("the watch to be open", () => list.get(`${space}/frozen`) === "1b");
    await through.get(ref("frozen"));
    await proxy.set({ kind: "freeze" });
    // Within its own deadline of 8 s, where the machine is not busy.
    const read = () =>
      through.get(ref("frozen")).then(
        () => true,
        () => false,
      );
    await waitFor("a call to pass", read);
    await set("frozen", "2");
    await waitFor("the watch to be replaced", () => list.get(`${space}/frozen`) === "2");
  });

  it("answers late, calls that are in time are answered, and leadership is not lost (row 24)", async () => {
    await using proxy = await startProxy(() => Number(new URL(plane.url).port));
    await using through = await clientThrough(plane, proxy.port);
    await using leadership = contend({ kube: through, namespace: space, name: "late", identity: "me", durationMs: 15_000 });
    await waitFor("to lead", () => leadership.isLeader());
    const changes: boolean[] = [];
    leadership.onChange((leading) => changes.push(leading));
    await proxy.set({ kind: "delay", ms: 700 });
    for (let i = 0; i < 5; i++) await through.list({ kind: configMaps, namespace: space });
    await pause(6_000);
    assert.deepEqual([changes, leadership.isLeader()], [[], true]);
  });
});
