import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ManifestFlags, manifestsCommand } from "../../src/cli/manifests.ts";
import { UsageError } from "../../src/cli/usage-error.ts";
import type { World } from "../../src/cli/world.ts";

const usual: ManifestFlags = {
  scope: "cluster",
  namespace: "worktide-system",
  replicas: "1",
  secrets: "none",
  webhook: true,
  crds: true,
};

/** What the command prints. */
async function print(part = "install", flags: Partial<ManifestFlags> = {}): Promise<string> {
  let text = "";
  const world: Pick<World, "version" | "stdout"> = { version: "1.2.3", stdout: { write: (more) => (text += more) } };
  assert.equal(await manifestsCommand(part, { ...usual, ...flags }, world as World), 0);
  return text;
}

describe("worktide manifests", () => {
  for (const [flags, says] of [
    [{ scope: "all" }, "--scope must be 'cluster' or 'namespaced'; found 'all'"],
    [{ namespace: "Shop" }, "--namespace must be the name of a namespace such as 'worktide-system'; found 'Shop'"],
    [{ replicas: "0" }, "--replicas must be a whole number from 1 to 5; found '0'"],
    [{ image: "a b" }, "--image must be the image of the controller, such as 'example.org/worktide:1.2.3'; found 'a b'"],
    [
      { secrets: "a,,b" },
      "--secrets must be 'none', 'all', or names with commas between, such as 'redis,rabbitmq'; found 'a,,b'",
    ],
    [
      { scope: "namespaced", namespaces: "a b" },
      "--namespaces must be names of namespaces with commas between, such as 'shop,mail'; found 'a b'",
    ],
    [{ namespaces: "shop" }, "--namespaces must not be given with --scope cluster, which serves all; add --scope namespaced"],
  ] as const) {
    it(`says: ${says}`, async () => {
      await assert.rejects(
        print("install", flags),
        (error) => error instanceof UsageError && error.message === says && error.exitCode === 2,
      );
    });
  }

  it("says all that is wrong at once, and what can be printed", async () => {
    await assert.rejects(print("install", { replicas: "x", scope: "y" }), /--scope must.*\n--replicas must/);
    await assert.rejects(print("helm"), /what to print must be one of 'install', 'crds', 'monitoring'; found 'helm'/);
  });

  it("takes this version's image unless told otherwise, and says what it prints", async () => {
    const text = await print("install", { scope: "namespaced", namespaces: "mail,shop", replicas: "2" });
    assert.match(text, /^# Worktide 1.2.3: 2 replicas in worktide-system, for mail, shop.\n/);
    assert.match(text, /image: worktide:1.2.3\n/);
  });

  it("prints the definitions alone, or all without them", async () => {
    const crds = await print("crds");
    assert.equal(crds.match(/^kind: /gm)?.length, crds.match(/^kind: CustomResourceDefinition$/gm)?.length);
    assert.doesNotMatch(await print("install", { crds: false }), /CustomResourceDefinition/);
  });
});
