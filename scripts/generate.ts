// Writes what follows from the schemas: `npm run generate`. With `--check` it writes nothing and fails on any difference.
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { scalers } from "../scalers/index.ts";
import { crdPages } from "../src/api/crd.ts";
import { defineApi } from "../src/api/define.ts";
import { type Page, referencePages } from "../src/api/reference.ts";
import { statusPages } from "../src/api/status-reference.ts";
import { brokers } from "../src/brokers/brokers.ts";
import { metricsReference } from "../src/telemetry/metrics-reference.ts";
import { argocdPage } from "./argocd.ts";
import { chartPages } from "./chart.ts";
import { manifestPages } from "./manifests.ts";

const root = path.join(import.meta.dirname, "..");
/** Folders that hold generated files only: what is not generated any more goes. */
const owned = ["docs/reference/scalers", "manifests/schema", "manifests/crds", "manifests/chart/files/crds"];

const guides = await Promise.all(
  scalers.map(async ({ type }) => [type, (await read(`scalers/${type}/guide.md`)) ?? ""] as const),
);
const { version } = JSON.parse((await read("package.json")) ?? "{}") as { version: string };
const api = defineApi(scalers, brokers);
const crds = crdPages(api);
const pages: readonly Page[] = [
  ...referencePages(api, new Map(guides)),
  ...crds,
  ...statusPages(),
  { path: "docs/reference/metrics.md", text: metricsReference() },
  ...manifestPages(version, crds),
  ...chartPages(version, crds),
  argocdPage(),
];
const stale = (await Promise.all(owned.map(list))).flat().filter((file) => !pages.some((page) => page.path === file));
const changed: Page[] = [];
for (const page of pages) if ((await read(page.path)) !== page.text) changed.push(page);

if (process.argv.includes("--check")) {
  const drift = [...changed.map((page) => page.path), ...stale];
  for (const file of drift) console.error(`${file} is not what the schemas say: run \`npm run generate\` and commit it`);
  process.exitCode = drift.length === 0 ? 0 : 1;
} else {
  for (const page of changed) {
    await mkdir(path.dirname(path.join(root, page.path)), { recursive: true });
    await writeFile(path.join(root, page.path), page.text);
    console.log(`wrote ${page.path}`);
  }
  for (const file of stale) {
    await rm(path.join(root, file));
    console.log(`removed ${file}`);
  }
}

async function read(file: string): Promise<string | undefined> {
  try {
    return await readFile(path.join(root, file), "utf8");
  } catch {
    return undefined; // not there yet
  }
}

async function list(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(path.join(root, folder))).map((file) => `${folder}/${file}`);
  } catch {
    return []; // not there yet
  }
}
