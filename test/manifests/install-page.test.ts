import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { scalers } from "../../scalers/index.ts";
import { defineApi } from "../../src/api/define.ts";
import { parseObject } from "../../src/api/object.ts";
import { brokers } from "../../src/brokers/brokers.ts";
import { findPrograms, noControlPlane } from "../support/control-plane.ts";
import { exists, findPackaging } from "../support/packaging.ts";
import { chartObjects, objectsOf, output, printed, root } from "./objects.ts";

const page = await readFile(path.join(root, "docs", "install.md"), "utf8");
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^( *)\`\`\`${language}\n([^]*?)^ *\`\`\``, "gm"))].map(([, indent = "", text = ""]) =>
    text.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  );
const packaging = await findPackaging();
const noKubectl = await noControlPlane();

describe("What docs/install.md says", () => {
  it("about worktide manifests can be typed", async () => {
    const commands =
      blocks("sh")
        .join("\n")
        .match(/(?<=^worktide manifests ?)[^|\n]*/gm) ?? [];
    const flags = [...page.matchAll(/^\| `(--[^`]*)`/gm)].map(([, flag = ""]) => flag.replace("NAME", "autoscaling"));
    assert.ok(commands.length >= 2 && flags.length >= 4);
    for (const line of [...commands, ...flags])
      assert.ok((await printed(...line.split(" ").filter((word) => word !== ""))).size > 5, line);
  });

  it("about kustomize builds, in the namespace and with the image that it names", { skip: noKubectl }, async () => {
    const programs = await findPrograms();
    assert.ok("bin" in programs);
    const example = blocks("yaml").find((text) => text.includes("kind: Kustomization"));
    assert.ok(example);
    const folder = await mkdtemp(path.join(root, "..", "worktide-install-"));
    try {
      await writeFile(
        path.join(folder, "kustomization.yaml"),
        example.replaceAll("worktide/manifests", path.relative(folder, path.join(root, "manifests"))),
      );
      const objects = objectsOf(await output(path.join(programs.bin, "kubectl"), ["kustomize", folder]));
      assert.ok(objects.has("Namespace autoscaling"));
      assert.ok(objects.has("ServiceMonitor autoscaling/worktide"));
      const text = JSON.stringify([...objects.values()]);
      assert.ok(!text.includes('"namespace":"worktide-system"'), "the namespace is everywhere the new one");
      assert.match(text, /"image":"registry.example\/worktide:0.1.0"/);
      assert.match(text, /"priorityClassName":"system-cluster-critical"/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("about Helm's values is of values that there are", { skip: "missing" in packaging && packaging.missing }, async () => {
    const names = [...page.matchAll(/^\| (`[a-z][\w.]*`(?:, `[a-z][\w.]*`)*) \|/gm)].flatMap(
      ([, cell = ""]) => cell.match(/[a-z][\w.]*/gi) ?? [],
    );
    assert.ok(names.includes("crds.keep"));
    const schema = JSON.parse(await readFile(path.join(root, "manifests", "chart", "values.schema.json"), "utf8"));
    for (const name of names) {
      const found = name.split(".").reduce((at, key) => at?.properties?.[key], schema);
      assert.ok(found, name);
    }
    await chartObjects({ image: { repository: "registry.example/worktide" }, secrets: { names: ["redis"] } });
  });

  it("about documents is right", () => {
    const api = defineApi(scalers, brokers);
    const example = blocks("yaml").find((text) => text.includes("kind: ScaledWorker\n"));
    assert.ok(example);
    for (const document of parseAllDocuments(example)) assert.deepEqual(parseObject(document.toJS(), api).findings, []);
  });

  it("links to files that are there", async () => {
    for (const [, target = ""] of page.matchAll(/\]\(([^)#]+)/g))
      assert.ok(await exists(path.join(root, "docs", target)), target);
  });
});
