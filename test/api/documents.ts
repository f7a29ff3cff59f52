import { findingText } from "../../src/api/finding.ts";
import { type Parsed, parseDocuments } from "../../src/api/parse.ts";
import { sampleApi } from "./sample.ts";

/** A file without faults: tests change one line of it. Lines are counted from 1. */
export const good = `apiVersion: worktide.dev/v1alpha1
kind: QueueConnection
metadata: { name: main }
spec:
  redis:
    url: redis://127.0.0.1:6379/0
---
apiVersion: worktide.dev/v1alpha1
kind: ScaledWorker
metadata: { name: mails }
spec:
  target:
    process:
      command: [node, worker.js]
  replicas: { min: 1, max: 5 }
  triggers:
    - name: mails
      connection: main
      mail: { queue: mails }
      goal: { waitingPerReplica: 20 }
  fallback: { replicas: 3 }
`;

export const parse = (text: string, file = "w.yaml"): Parsed => parseDocuments(text, { file, api: sampleApi });

/** The good file with one piece of text replaced; fails when the piece is not in it. */
export function edited(from: string, to: string): string {
  if (!good.includes(from)) throw new Error(`the good file has no '${from}'`);
  return good.replace(from, to);
}

/** What is said of a file, one line each, without the title of the document. */
export const findings = (text: string): readonly string[] =>
  parse(text).findings.map(({ document: _, ...finding }) => findingText(finding));
