import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";

const root = path.join(import.meta.dirname, "..");

/** What each room may import besides itself and npm packages. A room is a folder, or a file that is alone in its duty. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  "src/core": [],
  "src/api": ["src/core"],
  "src/brokers": ["src/core", "src/api"],
  "src/kube": ["src/core", "src/api"],
  "src/telemetry": ["src/core", "src/api"],
  "src/observe": ["src/core", "src/api", "src/brokers", "src/kube", "src/telemetry"],
  "src/targets": ["src/core", "src/api", "src/brokers", "src/kube", "src/telemetry"],
  "src/control": ["src/core", "src/api", "src/brokers", "src/kube", "src/telemetry", "src/observe", "src/targets"],
  "src/web": ["src/core", "src/api", "src/brokers", "src/kube", "src/telemetry", "src/observe", "src/targets", "src/control"],
  // What the API server declares, put in force; how it stands, told back.
  "src/cluster": [
    "src/config.ts",
    "src/core",
    "src/api",
    "src/brokers",
    "src/kube",
    "src/telemetry",
    "src/observe",
    "src/targets",
    "src/control",
  ],
  // What an install is made of: objects, rules, dashboard.
  "src/install": ["src/core", "src/api"],
  "src/config.ts": ["src/core", "src/api"],
  // Programs that the demo and the tests start: they know nothing of the house.
  "src/services": [],
  // A scaler declares its fields with the words of src/api, and speaks to the broker's client. Nothing else.
  scalers: ["src/core/contract.ts", "src/brokers", "src/api/duration.ts", "src/api/fields.ts"],
};

/** Rooms at the end of the chain: they compose, and may import everything. */
const composers = ["src/main.ts", "src/cli", "scripts", "test", "bench", "examples"];

/** What only some may import, whatever the table above says. */
const reserved: Readonly<Record<string, readonly string[]>> = {
  "scalers/index.ts": ["src/cli", "scripts", "test", "bench"],
  "src/services": ["src/cli", "test", "bench"],
};

const isIn = (file: string, place: string) => file === place || file.startsWith(`${place}/`);

/** Modules that a source imports or re-exports: static, dynamic and type imports alike. */
function importsOf(text: string): readonly string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const pattern = /(?:^|[\s;}])(?:import|export)\s(?:[^"';]*?\sfrom\s)?\s*["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)/g;
  return [...code.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? "");
}

/** Every import of the tree that points to another file of the tree, relative to the root. */
const edges = globSync(["src/**/*.ts", "scalers/**/*.ts", "scripts/**/*.ts"], { cwd: root })
  .filter((file) => !isIn(file, "src/web/page"))
  .flatMap((file) =>
    importsOf(readFileSync(path.join(root, file), "utf8")).map((module) => ({
      file,
      module,
      to: module.startsWith(".") ? path.posix.join(path.posix.dirname(file), module) : undefined,
    })),
  );

describe("imports", () => {
  it("point one way: core ← api ← brokers, kube, telemetry ← observe, targets ← control ← web, cluster ← cli, main", () => {
    const wrong = edges.filter(({ file, to }) => {
      if (to === undefined || composers.some((place) => isIn(file, place))) return false;
      const room = Object.keys(allowed).find((place) => isIn(file, place));
      if (!room) return true; // a room that the table does not know
      return !isIn(to, room) && !(allowed[room] ?? []).some((place) => isIn(to, place));
    });
    assert.deepEqual(
      wrong.map(({ file, to }) => `${file} imports ${to}`),
      [],
    );
  });

  it("reach the list of scalers, and the services of demo and tests, only from where they are composed", () => {
    const wrong = edges.filter(({ file, to }) => {
      const place = Object.keys(reserved).find((one) => to !== undefined && isIn(to, one));
      return place !== undefined && !isIn(file, place) && !(reserved[place] ?? []).some((one) => isIn(file, one));
    });
    assert.deepEqual(
      wrong.map(({ file, to }) => `${file} imports ${to}`),
      [],
    );
  });

  it("of core are of core itself and of zod's types only: no clock, no process, no package", () => {
    const core = edges.filter(({ file, to, module }) => isIn(file, "src/core") && to === undefined && module !== "zod");
    assert.deepEqual(
      core.map(({ file, module }) => `${file} imports ${module}`),
      [],
    );
    const values = globSync("src/core/**/*.ts", { cwd: root }).filter((file) =>
      /import\s+(?!type)[^"';]*from\s+"zod"/.test(readFileSync(path.join(root, file), "utf8")),
    );
    assert.deepEqual(values, [], "core may use zod's types, not zod");
  });

  it("never go round in a circle, those of types included", () => {
    const done = new Set<string>();
    const circleFrom = (file: string, way: readonly string[]): readonly string[] | undefined => {
      if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
      if (done.has(file)) return undefined;
      const own = edges.filter((edge) => edge.file === file && edge.to !== undefined);
      const circle = own.map(({ to = "" }) => circleFrom(to, [...way, file])).find((found) => found !== undefined);
      done.add(file);
      return circle;
    };
    const circles = [...new Set(edges.map(({ file }) => file))].flatMap((file) => circleFrom(file, [])?.join(" → ") ?? []);
    assert.deepEqual(circles, []);
  });

  it("are seen by this test at all", () => {
    assert.ok(edges.length > 50, `only ${edges.length} imports found`);
    const samples = [
      'import { a } from "./a.ts";',
      'import type {\n  b,\n} from "./b.ts";',
      'export * from "./c.ts";',
      'await import("./d.ts")',
    ];
    assert.deepEqual(samples.flatMap(importsOf), ["./a.ts", "./b.ts", "./c.ts", "./d.ts"]);
  });
});
