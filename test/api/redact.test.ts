import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { commandText, redact } from "../../src/api/redact.ts";

describe("a text for people", () => {
  for (const [text, shown] of [
    ["at redis://127.0.0.1:6379/0", "at redis://127.0.0.1:6379/0"],
    ["at redis://u:p/w@x@h:1, twice redis://a:b@c", "at redis://***@h:1, twice redis://***@c"],
    ["found 'u:p@h:1'", "found '***@h:1'"],
    ["redis:/u:p@h", "***@h"],
    ["mail ann@example.org", "mail ann@example.org"],
  ] as const) {
    it(`has no login left: ${text}`, () => assert.equal(redact(text), shown));
  }

  it("is redacted in linear time", () => {
    const began = performance.now();
    for (const piece of ["a:", "redis://", "a:b@", "a.b-"]) redact(piece.repeat(200_000));
    for (const piece of ["pass", "--", "--key", "key ", "--key "]) commandText([piece.repeat(100_000)], 80);
    assert.ok(performance.now() - began < 20_000);
  });
});

describe("a command for people", () => {
  for (const [command, shown] of [
    [["node", "worker.js", "--queue=mails", "--concurrency", "4"], "node worker.js --queue=mails --concurrency 4"],
    [["celery", "-A", "app", "worker", "-n", "${WORKTIDE_WORKER_ID}@%h"], "celery -A app worker -n ${WORKTIDE_WORKER_ID}@%h"],
    [["./w.sh", "--password=CANARY", "-v"], "./w.sh --password=*** -v"],
    [["./w.sh", "--redis-token", "CANARY", "-v"], "./w.sh --redis-token *** -v"],
    [["env", "REDIS_PASS=CANARY", "./w.sh"], "env REDIS_PASS=*** ./w.sh"],
    [["mysql", "-pCANARY"], "mysql -p***"],
    [["redis-cli", "-a", "CANARY", "brpop"], "redis-cli -a *** brpop"],
    [["w", "redis://u:a CANARY@h:1"], "w redis://***@h:1"],
    [["w", "http://h/?q=1&apiKey=CANARY&x=1"], "w http://h/?q=1&apiKey=***"],
    [["sh", "-c", "PASSWORD='a CANARY' exec ./w.sh --token CANARY"], "sh -c PASSWORD=***"],
    [["sh", "-c", "./w.sh --token CANARY 'and CANARY'"], "sh -c ./w.sh --token ***"],
    [["w", '{"user":"me","password": "CANARY"}'], 'w {"user":"me","password": ***'],
    [["curl", "-H", "Authorization: Bearer CANARY"], "curl -H Authorization: ***"],
    [["w", "\u001b]0;title\u0007"], "w  ]0;title "],
  ] as const) {
    it(`shows ${JSON.stringify(shown)}`, () => assert.equal(commandText(command, 80), shown));
  }

  it("is never longer than asked for, and never says what a flag's secret is", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.stringMatching(/^[\w@:/ =-]{1,20}CANARY$/), (words, secret) => {
        for (const command of [
          ["w", ...words, `--password=${secret}`],
          ["w", ...words, "--password", secret],
        ]) {
          const shown = commandText(command, 80);
          assert.ok(shown.length <= 80 && !shown.includes("CANARY"), shown);
        }
      }),
    );
  });
});
