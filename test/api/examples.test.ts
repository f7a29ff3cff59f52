import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it, test } from "node:test";
import { scalers } from "../../scalers/index.ts";
import { brokersOf, inherentBroker } from "../../src/api/brokers-of.ts";
import { defineApi } from "../../src/api/define.ts";
import { findingText } from "../../src/api/finding.ts";
import { parseDocuments } from "../../src/api/parse.ts";
import { brokers } from "../../src/brokers/brokers.ts";

const root = path.join(import.meta.dirname, "..", "..");
const api = defineApi(scalers, brokers);

/** Examples, and the documents that stand whole in a page of the docs. */
const texts = globSync(["examples/**/*.yaml", "README.md", "docs/**/*.md"], {
  cwd: root,
  exclude: ["docs/reference/**"],
}).flatMap((file) => {
  const text = readFileSync(path.join(root, file), "utf8");
  if (file.endsWith(".yaml")) return [{ file, text }];
  const blocks = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
  return blocks.filter((block) => /^apiVersion: worktide.dev/m.test(block)).map((block) => ({ file, text: block }));
});

/** Addresses of brokers whose name is not their scheme. */
const places: Readonly<Record<string, string>> = {
  rabbitmq: "url: amqp://127.0.0.1",
  prometheus: "url: http://127.0.0.1:9090",
  external: "address: 127.0.0.1:9090",
  gcpPubSub: "project: shop-prod",
  postgresql: "url: postgresql://me@127.0.0.1/shop",
  mysql: "url: mysql://me@127.0.0.1/shop",
};

/** The connection `main` of a scaler's page: to the first broker that it reads from. */
function connectionFor(page: string): string {
  const scaler = scalers.find(({ type }) => type === path.basename(page, ".md"));
  const [broker = "redis"] = scaler && !inherentBroker(scaler, brokers) ? brokersOf(scaler) : [];
  return `${broker}: { ${places[broker] ?? `url: ${broker}://127.0.0.1`} }`;
}

/** Examples of scalers' pages with triggers are pieces of a `spec`, and name the connection `main`; others are of pods. */
const pieces = globSync("docs/reference/scalers/*.md", { cwd: root }).flatMap((file) =>
  [...readFileSync(path.join(root, file), "utf8").matchAll(/```yaml\n((?:(?!```)[\s\S])*?\ntriggers:[\s\S]*?)```/g)].map(
    ([, piece = ""], at) => ({
      file: `${file} (${at + 1})`,
      text: `apiVersion: worktide.dev/v1alpha1
kind: QueueConnection
metadata: { name: main }
spec: { ${connectionFor(file)} }
---
apiVersion: worktide.dev/v1alpha1
kind: ScaledWorker
metadata: { name: mails }
spec:
  replicas: { max: 5 }
${piece.replaceAll(/^/gm, "  ")}`,
    }),
  ),
);

describe("an example", () => {
  for (const { file, text } of [...texts, ...pieces]) {
    it(`in ${file} is without faults`, () => {
      assert.deepEqual(parseDocuments(text, { file, api }).findings.map(findingText), []);
    });
  }
  it("is there at all", () => assert.ok(texts.length > 0));
  it("is there for every scaler", () => {
    for (const { type } of scalers) assert.ok(pieces.some(({ text }) => text.includes(`\n      ${type}:`)));
  });
});

/** What every page tells besides its fields, by the words that its headings say it with. */
const told: Readonly<Record<string, RegExp>> = {
  "how fresh it is": /fresh|how old|^times$/i,
  "what it costs": /cost/i,
  "what the login may": /permission|rights|what it costs, and what it is not/i,
};

describe("the page of a scaler", () => {
  // A schedule asks nobody.
  for (const { type, wants } of scalers.filter(({ type }) => type !== "cron")) {
    it(`${type} tells how fresh its readings are, what they cost, and what is to be permitted`, () => {
      const page = readFileSync(path.join(root, "docs/reference/scalers", `${type}.md`), "utf8");
      const headings = [...page.matchAll(/^## (.*)$/gm)].map(([, heading = ""]) => heading);
      const missing = Object.keys(told).filter((what) => !headings.some((heading) => told[what]?.test(heading)));
      assert.deepEqual(missing, wants ? ["how fresh it is"] : []);
    });
  }
});

test("Of Airflow with Celery both triggers see the same jobs, where they are of the same queues", () => {
  const { text = "" } = texts.find(({ file }) => file === "examples/airflow-celery/worktide.yaml") ?? {};
  const countedBy = (text: string) => {
    const { workers } = parseDocuments(text, { file: "worktide.yaml", api });
    for (const { triggers, rules } of workers) {
      const told = triggers.map((trigger) => trigger.countedBy);
      assert.deepEqual(
        rules.triggers.map((rule) => rule.countedBy),
        told,
        "decisions know it too",
      );
      return told;
    }
  };
  assert.deepEqual(countedBy(text), [undefined, "tasks"]);
  const other = text.replace("celery: { queues: [default]", "celery: { queues: [default, mails]");
  assert.notEqual(other, text);
  assert.deepEqual(countedBy(other), [undefined, undefined]);
});
