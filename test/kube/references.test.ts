import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createReferences } from "../../src/kube/references.ts";
import { waitFor } from "../support/wait.ts";
import { createRig, type Rig } from "./support.ts";

const place = "/api/v1/namespaces/shop/secrets";
const secret = (name: string, data: Readonly<Record<string, string>>) => ({
  metadata: { name, namespace: "shop" },
  data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")])),
});
const signal = new AbortController().signal;
const redis = { kind: "Secret", namespace: "shop", name: "redis" } as const;

function open({ kube }: Rig) {
  const kept: string[] = [];
  return { kept, references: createReferences({ kube, keepSecret: (value) => kept.push(value) }) };
}

describe("references", () => {
  it("give values of Secrets and ConfigMaps, and nothing where there is nothing (row 73)", async () => {
    await using rig = await createRig();
    const { references, kept } = open(rig);
    await using _ = references;
    rig.api.store.create(`${place}/redis`, secret("redis", { password: "pâss", empty: "" }));
    rig.api.store.create("/api/v1/namespaces/shop/configmaps/settings", {
      metadata: { name: "settings", namespace: "shop" },
      data: { url: "redis://x" },
    });
    assert.equal(await references.value(redis, "password", signal), "pâss");
    assert.equal(await references.value(redis, "empty", signal), "");
    assert.equal(await references.value(redis, "toString", signal), undefined);
    assert.equal(await references.value({ ...redis, name: "none" }, "password", signal), undefined);
    assert.equal(await references.value({ kind: "ConfigMap", namespace: "shop", name: "settings" }, "url", signal), "redis://x");
    assert.deepEqual(kept, ["pâss", ""], "what a Secret holds is hidden from every output, a ConfigMap is not");
  });

  it("tell when a Secret was rotated, and then give the new value at once (row 27)", async () => {
    await using rig = await createRig();
    const { references } = open(rig);
    await using _ = references;
    rig.api.store.create(`${place}/redis`, secret("redis", { password: "old" }));
    let changes = 0;
    const stop = references.use(redis, () => changes++);
    await waitFor("the first word of it", () => changes === 1);
    await waitFor("the watch", () => rig.api.watches() === 1);
    rig.api.store.merge(`${place}/redis`, { metadata: { labels: { a: "b" } } });
    rig.api.store.merge(`${place}/redis`, { data: { password: btoa("new") } });
    await waitFor("the change", () => changes === 2);
    const before = rig.api.requests.length;
    assert.equal(await references.value(redis, "password", signal), "new");
    assert.equal(rig.api.requests.length, before, "from the watch");
    rig.api.store.remove(`${place}/redis`);
    await waitFor("its end", () => changes === 3);
    assert.equal(await references.value(redis, "password", signal), undefined);
    stop();
  });

  it("watch one object once for all its users, by its name, until the last of them has left", async () => {
    await using rig = await createRig();
    const { references } = open(rig);
    await using _ = references;
    const stops = [references.use(redis, () => {}), references.use(redis, () => {})];
    await waitFor("the watch", () => rig.api.watches() === 1);
    assert.ok(rig.api.requests.every(({ query }) => query.get("fieldSelector") === "metadata.name=redis"));
    stops[0]?.();
    stops[0]?.();
    assert.equal(rig.api.watches(), 1);
    stops[1]?.();
    await waitFor("its end", () => rig.api.watches() === 0);
  });

  it("serve what was known while the API server is away, and where only reading is allowed (rows 63, 101)", async () => {
    await using rig = await createRig();
    const { references } = open(rig);
    await using _ = references;
    rig.api.store.create(`${place}/redis`, secret("redis", { password: "p" }));
    rig.api.set(({ path }) => (path.endsWith("/secrets") ? { status: 403 } : undefined));
    references.use({ ...redis, name: "other" }, () => {});
    references.use(redis, () => {});
    assert.equal(await references.value(redis, "password", signal), "p");

    await using second = await createRig();
    second.api.store.create(`${place}/redis`, secret("redis", { password: "q" }));
    const { references: warm } = open(second);
    await using __ = warm;
    let changes = 0;
    warm.use(redis, () => changes++);
    await waitFor("the first word", () => changes === 1);
    await waitFor("the watch", () => second.api.watches() === 1);
    second.api.set(() => ({ status: 500 }));
    second.api.endWatches();
    await waitFor("the watch to be gone", () => second.api.watches() === 0);
    assert.equal(await warm.value(redis, "password", signal), "q");
  });
});
