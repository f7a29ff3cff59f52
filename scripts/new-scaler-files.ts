/** What a new scaler begins with. It says of every query that it is not known, which is true; and its tests fail. */
export function scalerFiles(name: string, broker: string): readonly Readonly<{ file: string; text: string }>[] {
  return [
    { file: `scalers/${name}.ts`, text: scaler(name, broker) },
    { file: `scalers/${name}/guide.md`, text: guide(name) },
    { file: `test/scalers/${name}.test.ts`, text: test(name, broker) },
  ];
}

const scaler = (name: string, broker: string) => `import { z } from "zod";
import { text } from "../src/api/fields.ts";
import type { Result, Scaler } from "../src/core/contract.ts";

const query = z.strictObject({
  queue: text(256).describe("Name of the queue. Example: \`mails\`."),
});
type Query = z.output<typeof query>;

/** Say here what counts as waiting and as running, where each is read, and what a naive count would get wrong. */
export const ${name}: Scaler<Query, unknown> = {
  type: "${name}",
  summary: "A queue of ${name}.",
  broker: "${broker}",
  query,
  everyMs: 1000,
  // True once readings tell of jobs in hand, and of who holds them.
  sight: () => ({ running: false, workers: false }),

  // One batch for all queries of a connection, in one round trip if the source allows. Give the client its type in place of \`unknown\`.
  async read(_client, queries, signal) {
    signal.throwIfAborted();
    return queries.map(readingOf);
  },
};

/** What is not known is a problem and never a zero: true until this is filled in. */
function readingOf({ queue }: Query): Result {
  return { problem: { kind: "internal", message: \`scalers/${name}.ts does not read '\${queue}' yet\` } };
}
`;

const test = (name: string, broker: string) => `import assert from "node:assert/strict";
import { it } from "node:test";
import { ${name} } from "../../scalers/${name}.ts";
import { brokers } from "../../src/brokers/brokers.ts";
import { type ScalerWorld, testScaler } from "../conformance/scaler.ts";

const broker = brokers.find(({ type }) => type === "${broker}") ?? assert.fail("there is no broker '${broker}'");

/** The real service, and how its own users put jobs there: see the tests beside this one. */
async function start(): Promise<ScalerWorld> {
  throw new Error("test/scalers/${name}.test.ts: start the real service here");
}

testScaler({ title: "${name}", scaler: ${name}, broker, start });

it("counts right where a naive count would be wrong", () => {
  assert.fail("test/scalers/${name}.test.ts: a test for each trap of the source");
});
`;

const guide = (name: string) => `## Example

Say here what a reader must know, and show an example that works:

\`\`\`yaml
target:
  process: { command: [node, worker.js], stopGrace: 5m }
triggers:
  - name: mails
    connection: main
    ${name}: { queue: mails }
    goal: { waitingPerReplica: 20 }
scaleDown: { protect: grace } # until it sees jobs in hand
\`\`\`

## What is seen, and how old it is

What is counted, and how fresh it is; what it is not: the traps.

## Cost and permissions

What a round costs the broker, and what its user must be permitted.
`;
