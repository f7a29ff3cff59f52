import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isOlder, type KubeObject, keyOf } from "../../src/kube/kube.ts";
import { createWatchStore } from "../../src/kube/watch-store.ts";

const names = ["a", "b", "c"] as const;
type Step = Readonly<{ name: (typeof names)[number]; deed: "write" | "remove" }>;
type Event = Readonly<{ type: "taken" | "dropped"; object: KubeObject }>;

/** What a store goes through, from version 8 on, so that the numbers get longer: its events, and what is there in the end. */
function live(steps: readonly Step[]) {
  const objects = new Map<string, KubeObject>();
  const events: Event[] = [];
  let version = 7;
  let uids = 0;
  for (const { name, deed } of steps) {
    const before = objects.get(name);
    if (deed === "remove" && !before) continue;
    version += 1;
    const uid = before?.metadata.uid ?? `uid-${uids++}`;
    const object = { metadata: { name, namespace: "n", uid, resourceVersion: String(version) } };
    if (deed === "remove") objects.delete(name);
    else objects.set(name, object);
    events.push({ type: deed === "remove" ? "dropped" : "taken", object });
  }
  return { objects: [...objects.values()], events, version: String(version) };
}

const contentOf = (objects: readonly KubeObject[]) =>
  Object.fromEntries(objects.map(({ metadata }) => [keyOf(metadata), metadata.resourceVersion]));

const steps = fc.array(
  fc.record({ name: fc.constantFrom(...names), deed: fc.constantFrom("write" as const, "write" as const, "remove" as const) }),
  {
    maxLength: 20,
  },
);

describe("what is known of watched objects", () => {
  it("is the truth after a list, whatever events were lost, doubled or reordered before and during it (I25), and never goes back (I15)", () => {
    fc.assert(
      fc.property(steps, fc.array(fc.nat(30), { maxLength: 60 }), fc.nat(60), (done, order, listedAfter) => {
        const { objects, events, version } = live(done);
        const seen = new Map<string, string>();
        const store = createWatchStore<string>((key, now, was) => {
          if (now !== undefined && was !== undefined) assert.ok(isOlder(was, now), `${key} went from ${was} to ${now}`);
          if (now !== undefined) seen.set(key, now);
          else seen.delete(key);
        });
        const play = (part: readonly number[]) => {
          for (const at of part) {
            const event = events[at];
            if (event?.type === "taken") store.change(event.object, event.object.metadata.resourceVersion);
            else if (event) store.drop(event.object);
          }
        };
        play(order.slice(0, listedAfter));
        for (const object of objects) store.take(object, object.metadata.resourceVersion);
        store.keepOnly(new Set(objects.map(({ metadata }) => keyOf(metadata))), version);
        play(order.slice(listedAfter));
        assert.deepEqual(Object.fromEntries([...store.held].map(([key, { slim }]) => [key, slim]).sort()), contentOf(objects));
        assert.deepEqual(Object.fromEntries([...seen].sort()), contentOf(objects), "listeners were told all of it");
      }),
    );
  });

  it("keeps what came by the watch while a list of before was on its way", () => {
    const store = createWatchStore<string>(() => {});
    const object = (name: string, uid: string, resourceVersion: string) => ({
      metadata: { name, namespace: "n", uid, resourceVersion },
    });
    store.take(object("a", "1", "5"), "5");
    store.change(object("new", "2", "12"), "12");
    store.drop(object("a", "1", "13"));
    store.take(object("a", "1", "5"), "5"); // the list is of version 10
    store.keepOnly(new Set(["n/a"]), "10");
    assert.deepEqual([...store.held.keys()], ["n/new"]);
  });

  it("takes an object back that left the selection and came again", () => {
    const store = createWatchStore<string>(() => {});
    const object = (resourceVersion: string) => ({ metadata: { name: "a", namespace: "n", uid: "1", resourceVersion } });
    store.change(object("1"), "1");
    store.drop(object("2"));
    store.change(object("3"), "3");
    assert.equal(store.held.get("n/a")?.slim, "3");
  });
});
