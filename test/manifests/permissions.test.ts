import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, it } from "node:test";
import { type PolicyRule, permissions, type Reach } from "../../src/install/permissions.ts";
import { permissionsPage } from "../../src/install/permissions-page.ts";
import { exists } from "../support/packaging.ts";
import { type Made, printed, root } from "./objects.ts";

/** Everything that a rule allows, one line each: "own get leases.coordination.k8s.io worktide". */
const grants = (reach: string, { apiGroups, resources, resourceNames = ["*"], verbs }: PolicyRule): readonly string[] =>
  apiGroups.flatMap((group) =>
    resources.flatMap((resource) =>
      verbs.flatMap((verb) => resourceNames.map((name) => `${reach} ${verb} ${resource}.${group} ${name}`)),
    ),
  );

const rulesIn = (objects: ReadonlyMap<string, Made>, key: string) => (objects.get(key)?.rules ?? []) as readonly PolicyRule[];
const expected = (...reaches: readonly Reach[]) =>
  permissions
    .filter(({ reach }) => reaches.includes(reach))
    .flatMap(({ group, names, ...rest }) => grants("", { ...rest, apiGroups: [group], ...(names && { resourceNames: names }) }))
    .sort();
const found = (objects: ReadonlyMap<string, Made>, key: string) =>
  rulesIn(objects, key)
    .flatMap((rule) => grants("", rule))
    .sort();

describe("The controller's permissions", () => {
  it("are those of the table, with scope cluster", async () => {
    const objects = await printed();
    assert.deepEqual(found(objects, "ClusterRole worktide"), expected("watched", "cluster"));
    assert.deepEqual(found(objects, "Role worktide-system/worktide"), expected("own"));
    assert.deepEqual(found(objects, "Role worktide-system/worktide-webhook"), expected("webhook"));
    assert.deepEqual(found(objects, "ClusterRole worktide-webhook"), expected("webhook-cluster"));
    assert.ok(![...(await printed("--no-webhook")).keys()].some((key) => key.includes("webhook")));
  });

  it("are those of the table, and of no cluster, with scope namespaced", async () => {
    const objects = await printed("--scope", "namespaced", "--namespaces", "mail,shop");
    for (const namespace of ["mail", "shop"]) {
      assert.deepEqual(found(objects, `Role ${namespace}/worktide-workers`), expected("watched"));
    }
    assert.deepEqual(
      [...objects.values()].filter(({ kind }) => kind.startsWith("Cluster") || kind.startsWith("Validating")),
      [],
    );
  });

  it("name every kind and verb: nothing stands for all", async () => {
    for (const objects of [await printed(), await printed("--scope", "namespaced", "--secrets", "all")]) {
      for (const { rules } of objects.values()) {
        for (const { apiGroups, resources, verbs } of (rules ?? []) as readonly PolicyRule[]) {
          assert.ok(![...apiGroups, ...resources, ...verbs].includes("*"));
        }
      }
    }
  });

  it("reach no Secret but the webhook's own, until somebody grants it", async () => {
    const bound = new Set<string>();
    const objects = await printed();
    for (const { kind, roleRef } of objects.values()) {
      if (kind.endsWith("Binding"))
        bound.add(`${(roleRef as Made["metadata"] & { kind: string }).kind} ${(roleRef as Made["metadata"]).name}`);
    }
    assert.ok(!bound.has("ClusterRole worktide-secrets"), "it is there to be bound, and is not");
    const inCluster = found(objects, "ClusterRole worktide").filter((line) => line.includes(" secrets."));
    assert.deepEqual(inCluster, []);
    const named = await printed("--secrets", "redis,rabbitmq");
    assert.deepEqual(rulesIn(named, "ClusterRole worktide-secrets")[0]?.resourceNames, ["redis", "rabbitmq"]);
    assert.ok(named.has("ClusterRoleBinding worktide-secrets"));
  });

  it("each name code that is there, and stand in the reference", async () => {
    for (const { code, resources } of permissions) {
      assert.ok(code.length > 0, `${resources.join(", ")}: which code needs it?`);
      for (const file of code) assert.ok(await exists(path.join(root, file)), file);
    }
    assert.equal(await readFile(path.join(root, "docs/reference/permissions.md"), "utf8"), permissionsPage());
  });
});
