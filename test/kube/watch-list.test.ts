import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Kube } from "../../src/kube/kube.ts";
import { type WatchList, type WatchListOptions, type WatchSelection, watchList } from "../../src/kube/watch-list.ts";
import { bookmark, lineOf } from "../support/fake-api.ts";
import { waitFor } from "../support/wait.ts";
import { type ConfigMap, configMap, configMaps, createRig, shop } from "./support.ts";

/** Values of `x`, by key. */
const follow = (kube: Kube, options: WatchListOptions = {}, selection: Partial<WatchSelection> = {}) =>
  watchList<ConfigMap, string>(kube, { kind: configMaps, ...selection }, ({ data }) => data?.["x"] ?? "", options);

const contentOf = (list: WatchList<string>) => Object.fromEntries([...list.entries()].sort());
const until = (list: WatchList<string>, content: Readonly<Record<string, string>>) =>
  waitFor(`${JSON.stringify(content)}`, () => JSON.stringify(contentOf(list)) === JSON.stringify(content));

describe("a watched list", () => {
  it("holds what is there by pages, and follows every change", async () => {
    await using rig = await createRig();
    const { api, kube } = rig;
    for (let i = 0; i < 1_201; i++) api.store.create(`${shop}/m${i}`, configMap(`m${i}`, { x: String(i) }));
    await using list = follow(kube);
    assert.deepEqual([list.isSynced(), list.ageMs(), list.size], [false, undefined, 0], "not known is not empty");
    await list.synced;
    assert.deepEqual([list.size, list.get("shop/m7")], [1_201, "7"]);
    assert.equal(api.requests.filter(({ query }) => query.get("limit") === "500").length, 3);

    const seen: unknown[] = [];
    list.onChange((...change) => seen.push(change));
    await waitFor("the watch", () => api.watches() === 1);
    api.store.create(`${shop}/new`, configMap("new", { x: "a" }));
    api.store.merge(`${shop}/new`, { data: { x: "b" } });
    api.store.remove(`${shop}/new`);
    await waitFor("three changes", () => seen.length === 3);
    assert.deepEqual(seen, [
      ["shop/new", "a", undefined],
      ["shop/new", "b", "a"],
      ["shop/new", undefined, "b"],
    ]);
    assert.ok((list.ageMs() ?? 99_999) < 10_000);
  });

  it("needs no more than a Role where it watches single namespaces", async () => {
    await using rig = await createRig();
    const { api, kube } = rig;
    api.set(({ path }) => (path.includes("/namespaces/") ? undefined : { status: 403 }));
    for (const space of ["one", "two", "three"]) {
      api.store.create(`/api/v1/namespaces/${space}/configmaps/a`, {
        metadata: { name: "a", namespace: space },
        data: { x: space },
      });
    }
    await using list = follow(kube, {}, { namespaces: ["one", "two"] });
    await list.synced;
    await until(list, { "one/a": "one", "two/a": "two" });
    assert.equal(list.get("three/a"), undefined);
    await waitFor("the watches", () => api.watches() === 2);
    api.store.merge("/api/v1/namespaces/two/configmaps/a", { data: { x: "2" } });
    await until(list, { "one/a": "one", "two/a": "2" });
  });

  it("leaves out what slim leaves out, and survives a slim and a listener that throw", async () => {
    await using rig = await createRig();
    const { api, kube } = rig;
    for (const name of ["keep", "skip", "bad"]) api.store.create(`${shop}/${name}`, configMap(name, { x: name }));
    const problems: unknown[] = [];
    const slim = ({ data }: ConfigMap) => {
      if (data?.["x"] === "bad") throw new Error("cannot be read");
      return data?.["x"] === "skip" ? undefined : data?.["x"];
    };
    await using list = watchList(kube, { kind: configMaps }, slim, { onProblem: (problem) => problems.push(problem) });
    list.onChange(() => {
      throw new Error("listener");
    });
    await list.synced;
    assert.deepEqual([...list.entries()], [["shop/keep", "keep"]]);
    await waitFor("the watch", () => api.watches() === 1);
    api.store.merge(`${shop}/keep`, { data: { x: "skip" } });
    api.store.merge(`${shop}/skip`, { data: { x: "keep" } });
    await waitFor("both changes", () => list.get("shop/skip") === "keep" && list.get("shop/keep") === undefined);
    assert.ok(problems.map(String).includes("Error: cannot be read") && problems.map(String).includes("Error: listener"));
  });
});

describe("a watch that is troubled", () => {
  it("goes on from where it was after a cut, without a new list (row 8)", async () => {
    await using rig = await createRig();
    const { api, kube } = rig;
    api.store.create(`${shop}/a`, configMap("a", { x: "1" }));
    await using list = follow(kube);
    await list.synced;
    for (let round = 2; round < 6; round++) {
      await waitFor("the watch", () => api.watches() === 1);
      if (round % 2) api.cutAll();
      else api.goaway(0);
      api.store.merge(`${shop}/a`, { data: { x: String(round) } });
      await until(list, { "shop/a": String(round) });
    }
    assert.equal(api.requests.filter(({ query, path }) => path.endsWith("configmaps") && !query.has("watch")).length, 1);
  });

  for (const [title, text] of [
    ["garbage", "{{{\n"],
    ["a frame that is none", '{"type":"ADDED","object":{}}\n'],
    ["an ERROR frame", lineOf("ERROR", { code: 500, reason: "InternalError", message: "etcd is away" })],
    ["a half frame", lineOf("ADDED", { metadata: { name: "z" } }).slice(0, 20)],
  ] as const) {
    it(`survives ${title} (row 59)`, async () => {
      await using rig = await createRig();
      const { api, kube } = rig;
      const problems: unknown[] = [];
      await using list = follow(kube, { onProblem: (problem) => problems.push(problem) });
      await list.synced;
      await waitFor("the watch", () => api.watches() === 1);
      api.send(text);
      if (title === "a half frame") api.endWatches();
      await waitFor("the failure to be told", () => problems.length > 0);
      api.store.create(`${shop}/a`, configMap("a", { x: "1" }));
      await until(list, { "shop/a": "1" });
      assert.equal(list.problem(), undefined);
    });
  }

  it("lists anew after 410, tells of what was deleted meanwhile, and does not ask without pause (row 58)", async () => {
    await using rig = await createRig();
    const { api, kube } = rig;
    for (const name of ["a", "b"]) api.store.create(`${shop}/${name}`, configMap(name, { x: "1" }));
    await using list = follow(kube);
    await list.synced;
    await waitFor("the watch", () => api.watches() === 1);
    api.setFrames(() => []);
    api.store.remove(`${shop}/b`);
    api.store.create(`${shop}/c`, configMap("c", { x: "1" }));
    api.store.compact();
    const gone: string[] = [];
    list.onChange((key, now) => now === undefined && gone.push(key));
    api.endWatches();
    await until(list, { "shop/a": "1", "shop/c": "1" });
    assert.deepEqual(gone, ["shop/b"]);

    api.set(({ query }) => (query.has("watch") ? { status: 410 } : undefined));
    const before = api.requests.length;
    api.endWatches();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    assert.ok(api.requests.length - before < 20, `${api.requests.length - before} requests in 3 s`);
  });

  it("never goes back, whatever comes twice, late or after the end (row 59, I15)", async () => {
    await using rig = await createRig();
    const { api, kube } = rig;
    const first = api.store.create(`${shop}/a`, configMap("a", { x: "1" }));
    await using list = follow(kube);
    await list.synced;
    const seen: (string | undefined)[] = [];
    list.onChange((_, now) => seen.push(now));
    await waitFor("the watch", () => api.watches() === 1);
    api.setFrames((event) => [event, event, lineOf("MODIFIED", first)]);
    const second = api.store.merge(`${shop}/a`, { data: { x: "2" } });
    api.store.remove(`${shop}/a`);
    api.send(lineOf("MODIFIED", second));
    api.setFrames((event) => [event]);
    api.store.create(`${shop}/b`, configMap("b", { x: "b" }));
    await until(list, { "shop/b": "b" });
    assert.deepEqual(seen, ["2", undefined, "b"]);
  });

  it("tells an object that was made anew under its name from the old one (row 33)", async () => {
    await using rig = await createRig();
    const { api, kube } = rig;
    api.store.create(`${shop}/a`, configMap("a", { x: "1" }));
    await using list = follow(kube);
    await list.synced;
    const seen: unknown[] = [];
    list.onChange((...change) => seen.push(change));
    await waitFor("the watch", () => api.watches() === 1);
    api.setFrames((event) => (event.type === "DELETED" ? [] : [event]));
    api.store.remove(`${shop}/a`);
    api.store.create(`${shop}/a`, configMap("a", { x: "2" }));
    await until(list, { "shop/a": "2" });
    assert.deepEqual(seen, [
      ["shop/a", undefined, "1"],
      ["shop/a", "2", undefined],
    ]);
  });

  it("heals by listing what the watch lost (I25)", async () => {
    await using rig = await createRig();
    const { api, kube } = rig;
    api.store.create(`${shop}/a`, configMap("a", { x: "1" }));
    await using list = follow(kube, { relistMs: 500 });
    await list.synced;
    await waitFor("the watch", () => api.watches() === 1);
    api.setFrames(() => []);
    api.store.remove(`${shop}/a`);
    api.store.create(`${shop}/b`, configMap("b", { x: "2" }));
    api.send(bookmark(api.store.version())); // a gap: it claims to have told everything
    await until(list, { "shop/b": "2" });
    assert.equal(api.watches(), 1, "the watch goes on meanwhile");
  });

  it("does not take an older list for the truth (row 10, I26)", async () => {
    await using rig = await createRig();
    const { api, kube } = rig;
    api.store.create(`${shop}/a`, configMap("a", { x: "old" }));
    const old = { list: api.store.list(shop), version: api.store.version() };
    api.store.merge(`${shop}/a`, { data: { x: "new" } });
    api.store.create(`${shop}/b`, configMap("b", { x: "new" }));
    const problems: unknown[] = [];
    await using list = follow(kube, { relistMs: 300, onProblem: (problem) => problems.push(problem) });
    await list.synced;
    api.set(({ query }) => (query.has("watch") ? undefined : old));
    await waitFor("older lists to come", () => problems.some((problem) => String(problem).includes("older than")));
    assert.deepEqual(contentOf(list), { "shop/a": "new", "shop/b": "new" });
  });

  it("keeps what it knows while the kind is away, and is told why (row 61)", async () => {
    await using rig = await createRig();
    const { api, kube } = rig;
    api.store.create(`${shop}/a`, configMap("a", { x: "1" }));
    await using list = follow(kube, { relistMs: 200 });
    await list.synced;
    await waitFor("the watch", () => api.watches() === 1);
    api.set(() => ({ status: 404, reason: "NotFound" }));
    api.endWatches();
    await waitFor("the problem", () => list.problem()?.status === 404);
    assert.deepEqual(contentOf(list), { "shop/a": "1" });
    const before = api.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    assert.ok(api.requests.length - before < 5, "it is left alone");
  });

  it("comes back with the server after an outage, and dials no more often than it should (row 21, I21)", async () => {
    await using rig = await createRig();
    const { api, kube } = rig;
    api.store.create(`${shop}/a`, configMap("a", { x: "1" }));
    await using list = follow(kube);
    await using other = follow(kube, {}, { namespaces: ["shop"] });
    await Promise.all([list.synced, other.synced]);
    await waitFor("the watches", () => api.watches() === 2);
    api.pause();
    const before = api.dials();
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    assert.ok(api.dials() - before <= 8 + 5 / 2.5, `${api.dials() - before} dials in 5 s`);
    assert.ok(list.problem() !== undefined && list.size === 1);
    api.resume();
    api.store.merge(`${shop}/a`, { data: { x: "2" } });
    await Promise.all([until(list, { "shop/a": "2" }), until(other, { "shop/a": "2" })]);
  });
});
