// What many.ts runs.
import { scalers } from "../scalers/index.ts";
import { defineApi } from "../src/api/define.ts";
import { type Parsed, parseDocuments } from "../src/api/parse.ts";
import { brokers } from "../src/brokers/brokers.ts";
import { monotonicMs } from "../src/brokers/clock.ts";
import { tidyUp } from "../src/cli/economy.ts";
import { startWorktide } from "../src/cli/start.ts";
import type { Pool } from "../src/core/spec.ts";
import type { Target } from "../src/targets/target.ts";
import { createLog } from "../src/telemetry/log.ts";
import { connection, scaledWorker } from "./house.ts";

/** Takes every size at once, and has nothing behind it. */
function imagined(uid: string): Target {
  let pool: Pool = { uid, wanted: 0, existing: 0, ready: 0, leaving: 0, changedAt: monotonicMs() };
  let listener: (() => void) | undefined;
  return {
    title: "nothing",
    pool: () => pool,
    trouble: () => undefined,
    onChange(next) {
      listener = next;
      return () => {
        listener = undefined;
      };
    },
    async apply({ to }) {
      pool = { ...pool, wanted: to, existing: to, ready: to, changedAt: monotonicMs() };
      listener?.();
      return { size: to };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Piece by piece, as they come from a cluster: a file may have 1 MiB at most. */
function declared(url: string, size: number, triggers: number): Parsed {
  const api = defineApi(scalers, brokers);
  const parse = (documents: readonly unknown[]) => {
    const parsed = parseDocuments(documents.map((each) => JSON.stringify(each)).join("\n---\n"), { api, file: "bench" });
    for (const { severity, message } of parsed.findings) if (severity === "error") throw new Error(message);
    return parsed;
  };
  const { connections } = parse([connection(url)]);
  const workers: Parsed["workers"][number][] = [];
  const batch = Math.max(1, Math.floor(100 / triggers));
  for (let from = 0; from < size; from += batch) {
    const some = Array.from({ length: Math.min(batch, size - from) }, (_, i) =>
      scaledWorker(
        `pool-${from + i}`,
        Array.from({ length: triggers }, (_, j) => ({ redis: { list: { key: `queue:${(from + i) * triggers + j}` } } })),
      ),
    );
    workers.push(...parse([connection(url), ...some]).workers);
  }
  return { workers, connections, findings: [] };
}

const [url = "", size = "", triggers = ""] = process.argv.slice(2);
const log = createLog({ level: "error", format: "json", destination: process.stderr });
const stateDir = process.cwd();
const stop = new AbortController();
const world = {
  env: process.env,
  cwd: stateDir,
  pid: process.pid,
  version: "bench",
  stdout: process.stdout,
  stderr: process.stderr,
  now: monotonicMs,
  self: [process.execPath],
  stop: stop.signal,
  hurry: stop.signal,
};
const running = await startWorktide(
  {
    parsed: declared(url, Number(size), Number(triggers)),
    stateDir,
    listen: { host: "127.0.0.1", port: 0 },
    log,
    output: () => {},
    openTarget: async ({ key }) => imagined(key),
  },
  world,
);
tidyUp();
process.stderr.write(`{"url":"${running.url}"}\n`);
process.once("SIGTERM", () => process.exit());
