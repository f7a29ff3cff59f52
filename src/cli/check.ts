import { findingText, isError } from "../api/finding.ts";
import type { Parsed } from "../api/parse.ts";
import { brokers } from "../brokers/brokers.ts";
import { connectionSource } from "../control/connections.ts";
import { adviceOn } from "../core/advice.ts";
import type { Reading } from "../core/contract.ts";
import { plural, readingText } from "../core/words.ts";
import { createObserver } from "../observe/create-observer.ts";
import { readDeclared } from "./declared.ts";
import { secretReaders } from "./secrets.ts";
import { countedText, visible } from "./text.ts";
import type { World } from "./world.ts";

export type CheckFlags = Readonly<{ file: string; json?: boolean; connect?: boolean }>;

/** What one trigger answered. */
type Answer = Readonly<{ worker: string; trigger: string; ok: boolean; text: string; advice: readonly string[] }>;

/** Says all that is wrong with a file, and with `connect` what its queues answer. 0: all is well; 3: something is not. */
export async function checkCommand({ file, json, connect }: CheckFlags, world: World): Promise<number> {
  const parsed = readDeclared(file, world);
  const { findings, workers, connections } = parsed;
  const errors = findings.filter(isError).length;
  const { answers, warnings } =
    connect === true && errors === 0 ? await connectAll(parsed, world) : { answers: [], warnings: [] };
  const say = (text: string) => void world.stdout.write(`${visible(text)}\n`);
  if (json === true) {
    const counts = { workers: workers.length, connections: connections.length };
    say(JSON.stringify({ version: 1, findings, ...counts, answers, warnings }, null, 2));
  } else {
    for (const finding of findings) say(findingText(finding));
    for (const { worker, trigger, ok, text, advice } of answers) {
      say(`${ok ? "✔" : "✖"} ${worker}, ${trigger}: ${text}`);
      for (const one of advice) say(`! ${worker}, ${trigger}: ${one}`);
    }
    for (const { connection, text } of warnings) say(`! ${connection}: ${text}`);
    const found = `fine: ${plural(workers.length, "ScaledWorker")}, ${plural(connections.length, "QueueConnection")}`;
    say(`${file}: ${errors === 0 ? (silence(answers) ?? found) : plural(errors, "error")}`);
  }
  return errors === 0 && answers.every(({ ok }) => ok) ? 0 : 3;
}

/** What may go wrong with a connection though it answers. */
type Warning = Readonly<{ connection: string; text: string }>;
type Answers = Readonly<{ answers: readonly Answer[]; warnings: readonly Warning[] }>;

/** Reads every trigger once. */
async function connectAll({ workers, connections }: Parsed, world: World): Promise<Answers> {
  const byType = new Map(brokers.map((broker) => [broker.type, broker]));
  await using observer = createObserver({ brokers: byType, clock: world.now, random: Math.random });
  const house = {
    brokers: byType,
    connections: new Map(connections.map((connection) => [connection.key, connection])),
    readers: secretReaders(world.env),
  };
  const answers = await Promise.all(
    workers.flatMap((worker) =>
      worker.triggers.map(async (trigger) => {
        const { name, scaler, query, intervalMs } = trigger;
        const connection = connectionSource(trigger, house);
        const { failure, reading } = await observer.watch({ scaler, query, intervalMs, connection }, () => {}).refresh();
        const text = failure?.problem.message ?? (reading && textOf(reading, world.now())) ?? "no answer";
        const { target } = worker;
        const advice = adviceOn(reading, target.kind === "process" ? { graceMs: target.stopGraceMs } : undefined);
        return { worker: worker.key, trigger: name, ok: failure === undefined, text, advice };
      }),
    ),
  );
  const warnings = observer
    .connections()
    .flatMap(({ name, warning }) => (warning === undefined ? [] : [{ connection: name, text: warning }]));
  return { answers, warnings };
}

function textOf(reading: Reading, now: number): string {
  return readingText(reading) + countedText({ takenAt: reading.sampledAt, readAt: now, now });
}

/** Whether some triggers gave no reading: a file that is fine can name what is not there. */
function silence(answers: readonly Answer[]): string | undefined {
  const silent = answers.filter(({ ok }) => !ok).length;
  if (silent === 0) return undefined;
  return `the file is fine; ${silent} of ${plural(answers.length, "trigger")} ${silent === 1 ? "does" : "do"} not answer`;
}
