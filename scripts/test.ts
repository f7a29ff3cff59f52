// `npm test`: the check, then every test but the slow ones. `npm run test:all`: those too. `npm test -- test/api/*.test.ts`: these
// tests only, without the check.
import { globSync } from "node:fs";
import { relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { findRedis } from "../src/services/find-redis.ts";
import { findPython } from "../src/services/python.ts";
import { findAirflow } from "../test/support/airflow.ts";
import { endChildren } from "../test/support/end-all.ts";
import { findGrpcPython } from "../test/support/grpc-python.ts";
import { findMaria } from "../test/support/mariadb.ts";
import { findPackaging } from "../test/support/packaging.ts";
import { findPostgres } from "../test/support/postgresql-program.ts";
import { findPrometheus } from "../test/support/prometheus.ts";
import { shareControlPlane } from "../test/support/test-run.ts";
import { check } from "./check.ts";

const slow = process.argv[2] === "--all";
const everything = process.argv.length === 2 || slow;
/** What takes long stands in test/slow. It goes first, then what breaks services: in the end nobody waits for one file alone. */
const usual = ["test/faults/**/*.test.ts", "test/!(slow|faults)/**/*.test.ts", "test/*.test.ts"];
const patterns = everything ? [...(slow ? ["test/slow/**/*.test.ts"] : []), ...usual] : process.argv.slice(2);
const files = [...new Set(patterns.flatMap((pattern) => globSync(pattern).sort()))];
/** Longest that one file may take: a test that never ends must not hold a build for ever. */
const fileTimeoutMs = 15 * 60_000;
/** Ends, with a test file, all that it started. */
const ends = new URL("../test/support/ends.ts", import.meta.url).href;
const interrupted = new AbortController();

async function test(): Promise<boolean> {
  await using _shared = await shareControlPlane(files);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const began = performance.now();
  const stream = run({
    files,
    concurrency: 2, // each file takes services of its own; more at once starve each other's deadlines
    timeout: fileTimeoutMs,
    execArgv: ["--import", ends],
  });
  const took: [file: string, seconds: number][] = [];
  stream.on("test:summary", ({ file, counts: of, success, duration_ms }) => {
    if (file !== undefined) return void took.push([relative(".", file), duration_ms / 1000]); // one summary per file, then the one of all
    counts.passed = of.passed;
    counts.skipped = of.skipped + of.todo;
    counts.failed = of.tests - of.passed - of.skipped - of.todo;
    if (!success && counts.failed === 0) counts.failed = 1;
  });
  stream.compose(spec).pipe(process.stdout);
  await new Promise<unknown>((resolve, reject) => {
    stream.on("end", resolve).on("error", reject);
    interrupted.signal.addEventListener("abort", resolve);
  });
  if (interrupted.signal.aborted) return false;
  const ran = counts.passed + counts.failed;
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  if (ran === 0) console.error(`no test was run: nothing matches ${patterns.join(" ")}`);
  process.once("exit", () => {
    // After the reporter's own last lines: what a build server looks for.
    const slowest = took.toSorted(([, a], [, b]) => b - a).slice(0, 8);
    if (took.length > 8) console.log(`took longest: ${slowest.map(([file, of]) => `${file} ${of.toFixed(0)} s`).join(", ")}`);
    console.log(`took ${seconds} s`);
    console.log(`tests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  });
  return ran > 0 && counts.failed === 0;
}

/** Installs the services of the tests, once: no deadline of a test is spent on it, and no two files try it at once. */
async function prepare(): Promise<void> {
  const options = { env: process.env, onProgress: (line: string) => console.error(line) };
  await findRedis(options).catch(() => {}); // the tests that need it say so
  await findPython(options);
  await findPrometheus();
  await findPackaging();
  await findPostgres();
  await findMaria();
  if (!slow) return;
  await findMaria("MySQL");
  await findAirflow(3);
  await findAirflow(2);
  await findGrpcPython();
}

if (everything) await prepare();
for (const name of ["SIGHUP", "SIGINT", "SIGTERM"] as const) process.once(name, () => interrupted.abort(name));
const good = (!everything || (await check(interrupted.signal))) && (await test());
if (interrupted.signal.aborted) {
  await endChildren();
  process.kill(process.pid, interrupted.signal.reason);
}
process.exitCode = good ? 0 : 1;
