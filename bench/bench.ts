// `npm run bench`: runs the benches named (all without names), prints their tables, and keeps the newest result of each in
// bench/results.md. `--repeats N`: how often what takes minutes is measured, default 2. `--quick`: fewer and shorter measures,
// for a look: nothing is kept.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bullmq } from "./bullmq.ts";
import type { Bench, Context } from "./context.ts";
import { controller } from "./controller.ts";
import { decisions } from "./decide.ts";
import { digits, markdown, type Table } from "./figures.ts";
import { freshness } from "./freshness.ts";
import { kube } from "./kube.ts";
import { latency } from "./latency.ts";
import { churn, memory } from "./memory.ts";
import { pubsub } from "./pubsub.ts";
import { rabbit } from "./rabbitmq.ts";
import { startRedis } from "./redis.ts";
import { rounds } from "./rounds.ts";
import { sql } from "./sql.ts";

const benches: Readonly<Record<string, Bench>> = {
  latency,
  rounds,
  decisions,
  memory,
  churn,
  kube,
  controller,
  bullmq,
  rabbitmq: rabbit,
  freshness,
  pubsub,
  sql,
};
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false }, repeats: { type: "string", default: "2" } },
});
const unknown = positionals.filter((name) => benches[name] === undefined);
if (unknown.length > 0) {
  console.error(`no bench '${unknown.join("', '")}'; there are: ${Object.keys(benches).join(", ")}`);
  process.exit(2);
}

const file = fileURLToPath(new URL("results.md", import.meta.url));
const context: Context = { quick: values.quick, repeats: Number(values.repeats), say: (line) => console.error(line) };
for (const name of positionals.length > 0 ? positionals : Object.keys(benches)) {
  const before = loadavg()[0] ?? 0;
  const tables = (await benches[name]?.(context)) ?? [];
  const text = sectionOf(name, tables, `load average ${digits(before)} before, ${digits(loadavg()[0] ?? 0)} after`);
  console.log(`\n${text}`);
  if (!values.quick) await keep(name, text);
}

function sectionOf(name: string, tables: readonly Table[], load: string): string {
  const facts = `${new Date().toISOString().slice(0, 16)}Z, commit ${commit()}, ${load}; \`npm run bench ${name}\``;
  return [`## ${name}`, "", facts, ...tables.flatMap((table) => ["", markdown(table)])].join("\n");
}

/** Replaces the section of that name in the file, and the words about the machine. */
async function keep(name: string, text: string): Promise<void> {
  const old = existsSync(file)
    ? readFileSync(file, "utf8")
        .split(/^(?=## )/m)
        .slice(1)
    : [];
  const sections = new Map(old.map((section) => [/^## (.*)/.exec(section)?.[1] ?? "", section.trim()]));
  sections.set(name, text);
  const ordered = Object.keys(benches).flatMap((each) => sections.get(each) ?? []);
  writeFileSync(
    file,
    `${[`# Results\n\n${await machine()}\nREADME.md says what is measured and how.`, ...ordered].join("\n\n")}\n`,
  );
}

async function machine(): Promise<string> {
  await using redis = await startRedis();
  const { redis_version: version } = await redis.info("server");
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores, ${gib} GiB, ${process.platform}; Node ${process.versions.node}, Redis ${version}.`;
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}
