import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findingText } from "../../src/api/finding.ts";
import { parseDocuments } from "../../src/api/parse.ts";
import { api } from "../api/objects.ts";

/** What `worktide check` says of a schedule, without file, line and document. */
function told(cron: string, more = ""): readonly string[] {
  const text = `apiVersion: worktide.dev/v1alpha1
kind: ScaledWorker
metadata: { name: mails }
spec:
  target: { process: { command: [node, worker.js] } }
  replicas: { max: 5 }
  scaleDown: { protect: grace }
  triggers:
    - name: hours
      cron: ${cron}
${more}`;
  const { findings } = parseDocuments(text, { file: "w.yaml", api });
  return findings.map(({ document: _, ...finding }) => findingText(finding).replace(/^w.yaml:\d+:\d+: error: /, ""));
}

const fields = "must be a cron expression of five fields (minute, hour, day of the month, month, day of the week)";
const at = "`spec.triggers[0].cron";

describe("a schedule", () => {
  it("is fine as it is meant", () => {
    assert.deepEqual(told(`{ timezone: Europe/Berlin, from: "0 8 * * MON-FRI", to: "30 17 * * 1-5", replicas: 3 }`), []);
    assert.deepEqual(told(`{ timezone: UTC, from: "@daily", to: "0 6 L * *", atMost: 0 }`), []);
  });

  const cases: readonly (readonly [title: string, cron: string, message: string])[] = [
    [
      "with a minute that is none",
      `{ timezone: UTC, from: "61 8 * * *", to: "0 18 * * *", replicas: 3 }`,
      `${at}.from\` ${fields}: wrong value for minute: 61; found '61 8 * * *'`,
    ],
    [
      "with six fields",
      `{ timezone: UTC, from: "0 8 * * *", to: "0 0 18 * * *", replicas: 3 }`,
      `${at}.to\` ${fields}; found '0 0 18 * * *'`,
    ],
    [
      "with a range the wrong way round",
      `{ timezone: UTC, from: "0 22-6 * * *", to: "0 18 * * *", replicas: 3 }`,
      `${at}.from\` ${fields}: from value is larger than to value: '22-6'; found '0 22-6 * * *'`,
    ],
    [
      "with a day that never comes",
      `{ timezone: UTC, from: "0 8 30 2 *", to: "0 18 * * *", replicas: 3 }`,
      `${at}.from\` must be a time that comes; found '0 8 30 2 *'`,
    ],
    [
      "with a zone that is none",
      `{ timezone: Europe/Berln, from: "0 8 * * *", to: "0 18 * * *", replicas: 3 }`,
      `${at}.timezone\` must be a time zone of the IANA database, such as 'Europe/Berlin'; found 'Europe/Berln'`,
    ],
    [
      "without a zone",
      `{ from: "0 8 * * *", to: "0 18 * * *", replicas: 3 }`,
      `${at}.timezone\` is missing: it must be text of 1 to 64 characters`,
    ],
    [
      "in a list, with an hour that is none",
      `{ timezone: UTC, windows: [{ from: "0 8 * * *", to: "0 24 * * *", replicas: 3 }] }`,
      `${at}.windows[0].to\` ${fields}: wrong value for hour: 24; found '0 24 * * *'`,
    ],
    [
      "that asks for nothing",
      `{ timezone: UTC, from: "0 8 * * *", to: "0 18 * * *" }`,
      `${at}\` must have \`replicas\`, \`atMost\` or both`,
    ],
    ["without an end", `{ timezone: UTC, from: "0 8 * * *", replicas: 3 }`, `${at}\` must have \`to\` beside \`from\``],
  ];
  for (const [title, cron, message] of cases) {
    it(`is refused ${title}`, () => assert.deepEqual(told(cron), [message]));
  }

  it("has no goal and no connection", () => {
    const window = `{ timezone: UTC, from: "0 8 * * *", to: "0 18 * * *", replicas: 3 }`;
    const goal = "`spec.triggers[0].goal` must not stand beside `cron`, which asks for replicas itself";
    assert.deepEqual(told(window, "      goal: { waitingPerReplica: 5 }\n"), [goal]);
    const connection = "`spec.triggers[0].connection` must not stand beside `cron`: it needs none";
    assert.deepEqual(told(window, "      connection: main\n").at(0), connection);
  });
});
