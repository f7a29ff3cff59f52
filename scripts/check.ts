// Everything that can be said of the tree without running it: `npm run check`.
import { type Outcome, runStep, type Step } from "./steps.ts";

const node = process.execPath;
const steps: readonly Step[] = [
  { title: "types", command: "tsc", args: ["-p", "."] },
  { title: "format and lint", command: "biome", args: ["check", "--error-on-warnings", "."] },
  { title: "promises", command: "oxlint", args: ["--type-aware"] },
  { title: "generated files", command: node, args: ["scripts/generate.ts", "--check"] },
  { title: "import directions", command: node, args: ["--test", "--test-reporter=dot", "test/imports.test.ts"] },
];

/** Runs all steps, two at a time; prints one line for each, and the output of those that failed. */
export async function check(signal: AbortSignal): Promise<boolean> {
  const waiting = [...steps];
  const outcomes: Outcome[] = [];
  const work = async () => {
    for (let step = waiting.shift(); step; step = waiting.shift()) {
      const outcome = await runStep(step, signal);
      outcomes.push(outcome);
      report(outcome);
    }
  };
  await Promise.all([work(), work()]);
  const failed = outcomes.filter(({ code }) => code !== 0);
  if (failed.length > 0) console.error(`check failed: ${failed.map(({ step }) => step.title).join(", ")}`);
  return failed.length === 0;
}

function report({ step, code, output, seconds }: Outcome): void {
  console.log(`${code === 0 ? "✔" : "✖"} ${step.title} (${seconds.toFixed(1)} s)`);
  if (code !== 0) console.log(output.trimEnd());
}

if (import.meta.main) process.exitCode = (await check(new AbortController().signal)) ? 0 : 1;
