#!/usr/bin/env node
// The command line, and the only file that reads `process`. To follow one decision: cli/run.ts (or cli/controller.ts, in a cluster)
// → cli/house.ts puts observer and controller together → control/create-worker-loop.ts, the loop: something changed → decide → apply
// → core/decide.ts, the rules in their order.
import { readFileSync } from "node:fs";
import { CommanderError } from "commander";
import { economise } from "./cli/economy.ts";
import { programOf } from "./cli/program.ts";
import { visible } from "./cli/text.ts";
import { UsageError } from "./cli/usage-error.ts";
import type { World } from "./cli/world.ts";

// Before what a command needs is loaded: so each is loaded when it is asked for.
economise();

/** The same way up in a checkout and in the published package. */
function version(): string {
  return (JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }).version;
}

const stop = new AbortController();

function thisWorld(): World {
  const hurry = new AbortController();
  let stoppedAt = Number.POSITIVE_INFINITY;
  // One request often comes twice at once: to the group by the terminal or systemd, and passed on by whoever started us.
  const onSignal = () => {
    if (!stop.signal.aborted) stoppedAt = performance.now();
    else if (performance.now() - stoppedAt > 1000) hurry.abort();
    stop.abort();
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  process.on("SIGHUP", onSignal); // its terminal was closed: workers have sessions of their own and would live on unseen
  // Whoever read our output may leave (a pager, a closed terminal); what is sized must not suffer from that.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  return {
    env: process.env,
    cwd: process.cwd(),
    pid: process.pid,
    uid: process.getuid?.(),
    version: version(),
    stdout: process.stdout,
    stderr: process.stderr,
    now: () => Number(process.hrtime.bigint()) / 1e6,
    self: [process.execPath, ...process.execArgv, process.argv[1] ?? ""],
    stop: stop.signal,
    hurry: hurry.signal,
  };
}

async function main(): Promise<void> {
  const world = thisWorld();
  try {
    await programOf(world, (code) => {
      process.exitCode = code;
    }).parseAsync();
  } catch (cause) {
    if (cause instanceof CommanderError) process.exitCode = cause.exitCode === 0 ? 0 : 2;
    else if (cause instanceof UsageError) {
      world.stderr.write(`worktide: ${visible(cause.message)}\n`);
      process.exitCode = cause.exitCode;
    } else throw cause;
  }
}

await main();
// Not by taking itself apart: Node 24.21 was seen to wait for ever, at full speed, for a request that nobody will answer.
process.once("beforeExit", () => process.exit());
// What was to be stopped is: output that nobody reads must not keep the process.
if (stop.signal.aborted) setTimeout(() => process.exit(), 2000).unref();
