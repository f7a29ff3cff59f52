import type { WorkerSnapshot } from "../control/worker-snapshot.ts";
import { explainText } from "./explain-text.ts";
import { runningAddress } from "./lock.ts";
import { configOf, stateDirOf } from "./run.ts";
import { healthy, statusText } from "./status-text.ts";
import { visible } from "./text.ts";
import { UsageError } from "./usage-error.ts";
import { type World, wantsColor } from "./world.ts";

export type AskFlags = Readonly<{ url?: string; file: string; state?: string; json?: boolean }>;

const answerMs = 5_000;

/** Every pool in a line. 0: all are well; 3: one is not. */
export async function statusCommand(flags: AskFlags, world: World): Promise<number> {
  type All = { workers: readonly WorkerSnapshot[]; notices?: readonly string[] };
  const { workers, notices = [] } = await ask<All>("/api/v1/workers", flags, world);
  const text = () => [statusText(workers, Date.now()), ...notices.map((notice) => `\n✖ ${notice}`)].join("\n");
  world.stdout.write(`${flags.json === true ? jsonText({ version: 1, notices, workers }) : text()}\n`);
  return workers.every(healthy) && notices.length === 0 ? 0 : 3;
}

/** Why there are as many workers as there are. Without a name: every pool. */
export async function explainCommand(flags: AskFlags, world: World, name?: string): Promise<number> {
  const workers =
    name === undefined
      ? (await ask<{ workers: readonly WorkerSnapshot[] }>("/api/v1/workers", flags, world)).workers
      : [await ask<WorkerSnapshot>(`/api/v1/workers/${pathOf(name)}`, flags, world)];
  const color = wantsColor(world, world.stdout);
  const shown =
    flags.json === true
      ? jsonText({ version: 1, workers })
      : workers.map((worker) => explainText(worker, { now: Date.now(), color })).join("\n\n");
  world.stdout.write(`${shown}\n`);
  return workers.every(healthy) ? 0 : 3;
}

/** What was seen, decided and done lately, as JSON lines. */
export async function historyCommand(flags: AskFlags, world: World, name = ""): Promise<number> {
  world.stdout.write(visible(await fetchText(`/api/v1/history/${pathOf(name)}`, flags, world)));
  return 0;
}

const jsonText = (value: unknown) => visible(JSON.stringify(value, null, 2));

function pathOf(name: string): string {
  const parts = name.split("/");
  const [namespace, own] = parts.length === 2 ? parts : ["default", name];
  if (parts.length > 2 || !namespace || !own) throw new UsageError(`'${name}' must be NAME or NAMESPACE/NAME`, 2);
  return `${encodeURIComponent(namespace)}/${encodeURIComponent(own)}`;
}

async function ask<Answer>(path: string, flags: AskFlags, world: World): Promise<Answer> {
  const text = await fetchText(path, flags, world);
  // What brokers, workers and files say must not steer the terminal of who asks, nor stand in a line of its own.
  const shown = (_: string, value: unknown) => (typeof value === "string" ? visible(value).replaceAll("\n", "\\n") : value);
  return JSON.parse(text, flags.json === true ? undefined : shown) as Answer;
}

async function fetchText(path: string, { url, file, state }: AskFlags, world: World): Promise<string> {
  const config = configOf({ url, state }, world);
  const base = config.url ?? runningAddress(stateDirOf(file, config.state, world));
  if (base === undefined) {
    throw new UsageError(
      `no Worktide runs for '${file}': start one with 'worktide run -f ${file}', or say where it answers with --url`,
    );
  }
  const response = await reach(`${base.replace(/\/+$/, "")}${path}`, base);
  const text = await response.text();
  if (response.ok) return text;
  throw new UsageError(errorOf(text) ?? `${base} answered ${response.status}`);
}

async function reach(address: string, base: string): Promise<Response> {
  try {
    return await fetch(address, { signal: AbortSignal.timeout(answerMs) });
  } catch (cause) {
    const slow = cause instanceof Error && cause.name === "TimeoutError";
    throw new UsageError(slow ? `${base} did not answer in ${answerMs / 1000} s` : `nothing answers at ${base}`, 1, { cause });
  }
}

function errorOf(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { error?: string }).error;
  } catch {
    return undefined; // not ours: a proxy's page
  }
}
