import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { noControlPlane } from "../support/control-plane.ts";
import { findPackaging } from "../support/packaging.ts";
import { chartObjects, kustomized, type Made, printed } from "./objects.ts";

const noKubectl = await noControlPlane();
const packaging = await findPackaging();
const noHelm = "missing" in packaging && packaging.missing;

/** What Helm adds to objects, and what only `kubectl apply` needs. */
function asPrinted(objects: ReadonlyMap<string, Made>): ReadonlyMap<string, Made> {
  const text = JSON.stringify([...objects])
    .replaceAll('"app.kubernetes.io/managed-by":"Helm"', '"app.kubernetes.io/managed-by":"kubectl"')
    .replaceAll(/,"helm.sh\/chart":"[^"]*"/g, "");
  return new Map(JSON.parse(text) as [string, Made][]);
}

/** Definitions apart: a chart marks them as its own, and as to be kept. */
const others = (objects: ReadonlyMap<string, Made>) =>
  new Map([...objects].filter(([, { kind }]) => kind !== "CustomResourceDefinition" && kind !== "Namespace"));

const definitions = (objects: ReadonlyMap<string, Made>) =>
  new Map([...objects].flatMap(([key, { kind, spec }]) => (kind === "CustomResourceDefinition" ? [[key, spec] as const] : [])));

function assertSame(actual: ReadonlyMap<string, Made>, expected: ReadonlyMap<string, Made>): void {
  assert.deepEqual([...actual.keys()].sort(), [...expected.keys()].sort());
  for (const [key, object] of expected) assert.deepEqual(actual.get(key), object, key);
}

const ways = [
  { what: "one for all namespaces", flags: [], overlay: "cluster", values: {} },
  { what: "two for all namespaces", flags: ["--replicas", "2"], overlay: "ha", values: { replicas: 2 } },
  { what: "one for its own namespace", flags: ["--scope", "namespaced"], overlay: "namespaced", values: { scope: "namespaced" } },
] as const;

const onlyPrinted = [
  {
    what: "one for some namespaces that reads some Secrets",
    flags: ["--scope", "namespaced", "--namespaces", "mail,shop", "--secrets", "redis,rabbitmq"],
    values: { scope: "namespaced", namespaces: ["mail", "shop"], secrets: { names: ["redis", "rabbitmq"] } },
  },
  { what: "one that reads all Secrets", flags: ["--secrets", "all"], values: { secrets: { all: true } } },
  { what: "one without a webhook", flags: ["--no-webhook"], values: { webhook: { enabled: false } } },
  {
    what: "one with another image",
    flags: ["--image", "example.org/worktide:1.2.3"],
    values: { image: { repository: "example.org/worktide", tag: "1.2.3" } },
  },
] as const;

describe("An install", () => {
  for (const { what, flags, overlay, values } of ways) {
    it(`of ${what} is the same by kustomize and by worktide manifests`, { skip: noKubectl }, async () => {
      assertSame(await kustomized(`overlays/${overlay}`), await printed(...flags));
    });
    it(`of ${what} is the same by Helm and by worktide manifests`, { skip: noHelm }, async () => {
      const ours = await printed(...flags);
      const theirs = await chartObjects(values);
      assertSame(asPrinted(others(theirs)), others(ours));
      assert.ok(definitions(ours).size > 0);
      assert.deepEqual(definitions(theirs), definitions(ours));
    });
  }
  for (const { what, flags, values } of onlyPrinted) {
    it(`of ${what} is the same by Helm and by worktide manifests`, { skip: noHelm }, async () => {
      assertSame(asPrinted(others(await chartObjects(values))), others(await printed(...flags)));
    });
  }
  it("with monitoring is the same by Helm and by worktide manifests", { skip: noHelm }, async () => {
    const metrics = { monitor: { kind: "ServiceMonitor" }, rules: { enabled: true }, dashboard: { enabled: true } };
    const theirs = asPrinted(await chartObjects({ metrics }));
    for (const [key, object] of await printed("monitoring")) assert.deepEqual(theirs.get(key), object, key);
  });
});
