import { dirname, join, resolve } from "node:path";
import { findingText, isError } from "../api/finding.ts";
import { type Config, ConfigError, readConfig } from "../config.ts";
import { createLog, type Log } from "../telemetry/log.ts";
import { readDeclared } from "./declared.ts";
import { tidyUp } from "./economy.ts";
import { followFile } from "./follow.ts";
import { lineOutput } from "./line-output.ts";
import { lockState } from "./lock.ts";
import { type Running, startWorktide } from "./start.ts";
import { visible } from "./text.ts";
import { UsageError } from "./usage-error.ts";
import { type World, wantsColor } from "./world.ts";

export type RunFlags = Readonly<{
  file: string;
  state?: string;
  listen?: string;
  history?: string;
  allowHost?: readonly string[];
  logLevel?: string;
  logFormat?: string;
}>;

/** Sizes the pools that a file declares, until SIGTERM or SIGINT. Resolves with the exit code. */
export async function runCommand(flags: RunFlags, world: World): Promise<number> {
  const { file, history, allowHost: hosts, ...rest } = flags;
  const config = configOf(rest, world);
  const log = logOf(config, world);
  const started = Promise.withResolvers<Running>();
  let edits: Promise<void> = Promise.resolve();
  // Followed from before it is read, or an edit during the start would be missed; one edit after the other.
  using following = followFile(resolve(world.cwd, file), () => {
    edits = edits.then(async () => reload(await started.promise, file, log, world));
  });
  const parsed = readDeclared(file, world, "local");
  for (const finding of parsed.findings) world.stderr.write(`${visible(findingText(finding))}\n`);
  if (parsed.findings.some(isError)) return 1;

  const stateDir = stateDirOf(file, config.state, world);
  using lock = lockState(stateDir, world);
  const output = lineOutput(world.stdout);
  const running = await startOrExplain(() =>
    startWorktide({ parsed, stateDir, listen: config.listen, hosts, history, log, output }, world),
  );
  lock.publish(running.url);
  if (!isLoopback(config.listen.host)) {
    log.warn({ url: running.url }, "whoever reaches this address can read the page, API and metrics");
  }
  log.info({ workers: parsed.workers.length, url: running.url, file, pid: world.pid }, "running");
  started.resolve(running);
  tidyUp();
  await untilStopped(world.stop);
  // An edit that came now would start workers that nobody ends.
  following[Symbol.dispose]();
  await edits;
  log.info({}, "stopping: workers finish their jobs; once more (Ctrl-C) leaves them to run by themselves");
  await running.close(world.hurry);
  log.info({}, world.hurry.aborted ? "stopped: workers with jobs in hand go on by themselves until they are done" : "stopped");
  return 0;
}

/** What is wrong with a port, a folder or a flag is the user's to mend: one sentence. */
export async function startOrExplain<Started>(start: () => Promise<Started>): Promise<Started> {
  try {
    return await start();
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), 1, { cause });
  }
}

/** A broken edit keeps the last good one in force. */
async function reload(running: Running, file: string, log: Log, world: World): Promise<void> {
  try {
    const parsed = readDeclared(file, world, "local");
    for (const finding of parsed.findings) log[isError(finding) ? "error" : "warn"]({}, findingText(finding));
    if (parsed.findings.some(isError)) {
      running.refused(`the edit of ${file} has errors, the version before it is in force: worktide check -f ${file}`);
      log.error({ file }, "the edit has errors: the version before it stays in force");
      return;
    }
    await running.declare(parsed);
    log.info({ file, workers: parsed.workers.length }, "the edited file is in force");
  } catch (cause) {
    const why = cause instanceof UsageError ? { reason: cause.message } : { err: cause };
    running.refused(`the edit of ${file} cannot be used, the version before it is in force`);
    log.error({ file, ...why }, "the edit cannot be used: the version before it stays in force");
  }
}

export function configOf(flags: Parameters<typeof readConfig>[1], world: World): Config {
  try {
    return readConfig(world.env, flags);
  } catch (cause) {
    if (cause instanceof ConfigError) throw new UsageError(cause.message, 2, { cause });
    throw cause;
  }
}

export function stateDirOf(file: string, state: string | undefined, world: World): string {
  return state === undefined ? join(dirname(resolve(world.cwd, file)), ".worktide") : resolve(world.cwd, state);
}

export function logOf({ logLevel, logFormat }: Pick<Config, "logLevel" | "logFormat">, world: World): Log {
  const { stderr } = world;
  return createLog({
    level: logLevel,
    format: logFormat ?? (stderr.isTTY === true ? "pretty" : "json"),
    destination: stderr,
    color: wantsColor(world, stderr),
    clock: world.now,
  });
}

export function untilStopped(stop: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (stop.aborted) done();
    else stop.addEventListener("abort", () => done(), { once: true });
  });
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
