// `npm run new-scaler NAME [BROKER]`: lays out a scaler, its test and its guide, which pass the check and measure nothing yet.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { scalers } from "../scalers/index.ts";
import { isDialled } from "../src/api/brokers-of.ts";
import { brokers } from "../src/brokers/brokers.ts";
import { scalerFiles } from "./new-scaler-files.ts";
import { runStep } from "./steps.ts";

const root = path.join(import.meta.dirname, "..");
const list = path.join(root, "scalers/index.ts");
const types = brokers.filter(isDialled).map(({ type }) => type);

/** What is wrong with the words of the command line. */
function wrongWords(name: string, broker: string): string | undefined {
  if (!/^[a-z][A-Za-z0-9]{1,39}$/.test(name))
    return `'${name}' must be the key of a trigger, such as gcpPubSub: small first, letters and digits`;
  if (scalers.some(({ type }) => type === name)) return `there is a scaler '${name}' already: scalers/${name}.ts`;
  if (!types.includes(broker)) return `'${broker}' must be one of ${types.join(", ")}; a new one is made in src/brokers first`;
  return undefined;
}

async function layOut(name: string, broker: string): Promise<boolean> {
  const made = scalerFiles(name, broker);
  for (const { file, text } of made) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), text, { flag: "wx" }); // never over what somebody wrote
    console.log(`wrote ${file}`);
  }
  const text = await readFile(list, "utf8");
  const listed = text
    .replace(/^import type .*\n/, (line) => `${line}import { ${name} } from "./${name}.ts";\n`)
    .replace(/,?\s*\];\n$/, `, ${name}];\n`);
  await writeFile(list, listed);
  console.log(`put it into scalers/index.ts`);
  const signal = new AbortController().signal;
  for (const step of [
    { title: "format", command: "biome", args: ["check", "--write", "scalers", ...made.map(({ file }) => file)] },
    { title: "generate", command: process.execPath, args: ["scripts/generate.ts"] },
  ]) {
    const { code, output } = await runStep(step, signal);
    if (code !== 0) console.error(output);
    if (code !== 0) return false;
  }
  return true;
}

const [name = "", broker = "redis"] = process.argv.slice(2);
const wrong = name === "" ? "usage: npm run new-scaler NAME [BROKER]" : wrongWords(name, broker);
if (wrong !== undefined) console.error(wrong);
const good = wrong === undefined && (await layOut(name, broker));
if (good)
  console.log(`\nnext: docs/writing-a-scaler.md, and npm test -- test/scalers/${name}.test.ts, which fails until it measures`);
process.exitCode = good ? 0 : wrong === undefined ? 1 : 2;
