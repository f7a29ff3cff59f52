import { spawn } from "node:child_process";

/** One program of a script, and what people call it. */
export type Step = Readonly<{ title: string; command: string; args: readonly string[] }>;

export type Outcome = Readonly<{ step: Step; code: number; output: string; seconds: number }>;

/** Runs a program to its end with its output kept, in the order in which it came. Never rejects. */
export function runStep(step: Step, signal: AbortSignal): Promise<Outcome> {
  const began = process.hrtime.bigint();
  return new Promise((resolve) => {
    const child = spawn(step.command, step.args, { stdio: ["ignore", "pipe", "pipe"], signal });
    let output = "";
    const end = (code: number) => resolve({ step, code, output, seconds: Number(process.hrtime.bigint() - began) / 1e9 });
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.on("error", (error) => {
      output += `${step.command}: ${error.message}\n`;
      end(1);
    });
    child.on("close", (code) => end(code ?? 1));
  });
}
