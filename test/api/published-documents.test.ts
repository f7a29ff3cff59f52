import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { scalers } from "../../scalers/index.ts";
import { defineApi } from "../../src/api/define.ts";
import { parseDocuments } from "../../src/api/parse.ts";
import { brokers } from "../../src/brokers/brokers.ts";

const api = defineApi(scalers, brokers);
const head = "apiVersion: worktide.dev/v1alpha1";
const connection = (settings: string) =>
  `${head}\nkind: QueueConnection\nmetadata: { name: main }\nspec: { redis: ${settings} }\n`;
const worker = (inline: string) => `${head}
kind: ScaledWorker
metadata: { name: mails }
spec:
  target: { process: { command: [node, worker.js] } }
  replicas: { max: 5 }
  triggers:
    - { name: mails, inline: { redis: ${inline} }, bullmq: { queue: mails }, goal: { jobsPerReplica: 4 } }
`;
const findings = (text: string) => parseDocuments(text, { file: "w.yaml", api }).findings;

describe("the settings of Redis in a file", () => {
  const settings = [
    "{ url: 'u:CANARY@127.0.0.1:7911' }",
    "{ url: 'u:a CANARY@127.0.0.1:7911' }",
    "{ url: 'redis:/u:CANARY@127.0.0.1' }",
    "{ url: 'CANARY' }",
    "{ url: [CANARY] }",
    "{ sentinel: { master: m, nodes: ['u:CANARY@h:1'] } }",
    "{ sentinel: { master: 'u:CANARY@h', nodes: ['h:1'] } }",
    "{ cluster: { nodes: ['u:CANARY@h:1'] } }",
    "{ cluster: { nodes: 'CANARY' } }",
    "{ tls: 'CANARY', url: 'redis://h' }",
    "{ url: 'redis://h', 'u:CANARY@h': x }",
    "'CANARY'",
  ];
  for (const text of settings) {
    for (const document of [connection(text), worker(text)]) {
      it(`are never quoted: ${document.includes("inline") ? "inline " : ""}${text}`, () => {
        const found = findings(document);
        assert.ok(found.length > 0);
        assert.ok(!JSON.stringify(found).includes("CANARY"), JSON.stringify(found));
      });
    }
  }

  it("say of text what it must be, and of a number which it is", () => {
    assert.match(findings(connection("{ url: 'u:p@h' }"))[0]?.message ?? "", /^`spec.redis.url` must be redis:.*; found text$/);
    const sentinel = "{ sentinel: { master: m, nodes: ['h:1'], database: -1 } }";
    assert.match(
      findings(connection(sentinel))[0]?.message ?? "",
      /database` must be a whole number from 0 to 65535; found '-1'$/,
    );
  });
});
