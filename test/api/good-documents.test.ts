import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { carryGenerations } from "../../src/api/resolve.ts";
import { edited, findings, good, parse } from "./documents.ts";

const only = (text: string) => {
  const { workers, findings } = parse(text);
  assert.deepEqual(findings, []);
  assert.equal(workers.length, 1);
  return workers[0] ?? assert.fail();
};

describe("a right file", () => {
  it("becomes rules with every default applied and every time in milliseconds", () => {
    const worker = only(good.replace("  fallback: { replicas: 3 }\n", ""));
    assert.deepEqual(worker.rules, {
      generation: 1,
      replicas: { min: 1, max: 5, idle: 1 },
      triggers: [{ name: "mails", goal: { kind: "waitingPerReplica", jobs: 20 }, activation: 0, intervalMs: 1000 }],
      concurrency: 1,
      scaleDown: { protect: "busy", cooldownMs: 60_000 },
      behavior: {
        scaleUp: { stabilizationWindowSeconds: 0, selectPolicy: "Max", policies: [], tolerance: 0 },
        scaleDown: { stabilizationWindowSeconds: 60, selectPolicy: "Max", policies: [], tolerance: 0 },
      },
      staleAfterMs: 60_000,
      mode: "Scale",
    });
    assert.deepEqual(worker.target, {
      kind: "process",
      command: ["node", "worker.js"],
      cwd: ".",
      env: {},
      stopSignal: "SIGTERM",
      stopGraceMs: 30_000,
      logs: "Prefix",
    });
    assert.deepEqual(worker.triggers[0]?.query, { queue: "mails", lookAhead: 30_000 });
    assert.deepEqual(worker.triggers[0]?.connection, { kind: "named", namespace: "default", name: "main" });
  });

  it("may set everything", () => {
    const worker = only(
      edited(
        "  fallback: { replicas: 3 }\n",
        `  concurrency: 4
  scaleDown: { protect: grace, cooldown: 1m30s }
  behavior:
    scaleUp: { tolerance: 0.1, selectPolicy: Min, policies: [{ type: Percent, value: 100, periodSeconds: 15 }] }
    scaleDown: { stabilizationWindowSeconds: 300 }
  fallback: { afterFailures: 5, replicas: 2 }
  staleAfter: 2m
  mode: Observe
  pause: { directions: Down, reason: "moving, ann", until: 2026-12-24T18:00:00+01:00 }
`,
      ).replace("waitingPerReplica: 20", "startWithin: 30s, assume: { serviceTime: 1.5s, arrivalRate: 0.5 }"),
    );
    const { rules } = worker;
    assert.deepEqual(rules.triggers[0]?.goal, { kind: "startWithin", ms: 30_000, serviceMs: 1500, perSecond: 0.5 });
    assert.deepEqual(rules.scaleDown, { protect: "grace", cooldownMs: 90_000 });
    assert.equal(rules.behavior.scaleUp.tolerance, 0.1);
    assert.equal(rules.behavior.scaleUp.stabilizationWindowSeconds, 0);
    assert.deepEqual(rules.behavior.scaleUp.policies, [{ type: "Percent", value: 100, periodSeconds: 15 }]);
    assert.equal(rules.behavior.scaleDown.stabilizationWindowSeconds, 300);
    assert.deepEqual(rules.fallback, { afterFailures: 5, replicas: 2 });
    assert.deepEqual(rules.pause, { directions: "Down", reason: "moving, ann" });
    const until = Date.parse("2026-12-24T17:00:00Z");
    assert.deepEqual(worker.pauses, [{ directions: "Down", reason: "moving, ann", until }]);
  });

  for (const queue of ["a:b:c", "grüße", "почта", "メール", "📬", "{tag}:jobs", "with space", "-", "null", "123", "a'b\"c"]) {
    it(`may have a queue called ${queue}`, () => {
      assert.deepEqual(only(edited("queue: mails", `queue: ${JSON.stringify(queue)}`)).triggers[0]?.query, {
        queue,
        lookAhead: 30_000,
      });
    });
  }

  it("may use anchors, aliases and merges", () => {
    const text = edited("    - name: mails\n", "    - &first\n      name: mails\n").replace(
      "  fallback:",
      "    - { <<: *first, name: more, mail: { queue: more } }\n  fallback:",
    );
    const { rules } = only(text);
    assert.deepEqual(
      rules.triggers.map(({ name }) => name),
      ["mails", "more"],
    );
  });

  it("may come with Windows line ends, a byte order mark and empty documents", () => {
    only(`\uFEFF---\n---\n${good}---\n# the end\n`.replaceAll("\n", "\r\n"));
  });

  it("may give an address in place, and a null is as good as nothing", () => {
    const worker = only(
      edited("connection: main", "inline: { redis: { url: redis://h } }").replace(
        "  fallback:",
        "  pause:\n  mode: ~\n  fallback:",
      ),
    );
    assert.deepEqual(worker.triggers[0]?.connection, { kind: "inline", type: "redis", settings: { url: "redis://h" } });
    assert.equal(worker.rules.mode, "Scale");
  });

  it("has working folders that count from its own", () => {
    const folderOf = (cwd: string) => {
      const target = parse(edited("worker.js]", `worker.js]\n      cwd: ${cwd}`), "conf/w.yaml").workers[0]?.target;
      return target?.kind === "process" ? target.cwd : assert.fail();
    };
    assert.equal(folderOf("../app"), "app");
    assert.equal(folderOf("/srv"), "/srv");
  });

  it("is warned of when two pools would each size themselves by the whole of one queue", () => {
    const [connection, worker] = good.split("---\n");
    const found = parse(`${connection}---\n${worker}---\n${worker?.replace("name: mails }", "name: others }")}`);
    assert.equal(found.workers.length, 2);
    assert.deepEqual(
      found.findings.map(({ severity, rule, line, document }) => ({ severity, rule, line, document })),
      [{ severity: "warning", rule: "shared-queue", line: 32, document: "ScaledWorker default/others" }],
    );
  });
});

describe("a generation", () => {
  const before = parse(good).workers;
  it("stays while the meaning stays, whatever the layout", () => {
    const other = edited("{ min: 1, max: 5 }", "\n    max: 5 # most\n    min: 1");
    assert.equal(carryGenerations(before, parse(other).workers)[0]?.generation, 1);
  });
  it("grows by one with each change, in the worker and in its rules", () => {
    const second = carryGenerations(before, parse(edited("max: 5", "max: 6")).workers);
    const third = carryGenerations(second, parse(edited("worker.js", "other.js")).workers);
    assert.deepEqual([second[0]?.generation, third[0]?.generation, third[0]?.rules.generation], [2, 3, 3]);
  });
});

describe("a hostile file", () => {
  it("that grows by aliases is refused in bounded time", () => {
    const levels = Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(", ")}]`);
    const found = parse(`a0: &a0 [x]\n${levels.join("\n")}\n`).findings;
    assert.equal(found.length, 1);
    assert.match(found[0]?.message ?? "", /^YAML: Excessive alias count/);
  });

  it("that is nested too deeply is refused", () => {
    const found = findings("[".repeat(200_000));
    assert.equal(found.length, 1);
    assert.match(found[0] ?? "", /YAML: nested too deeply/);
  });

  it("that is no YAML at all is not quoted as a whole", () => {
    const found = findings(`a: 1\n${"\u0001?@x".repeat(1000)}`);
    assert.equal(found.length, 1);
    assert.ok((found[0] ?? "").length < 300, found[0]);
  });

  it("may name prototypes, and gets a message like any other", () => {
    assert.match(findings(edited("min: 1", "__proto__: { min: 1 }"))[0] ?? "", /`spec.replicas.__proto__` is not a known field/);
    assert.match(findings(edited("min: 1", "constructor: 1"))[0] ?? "", /`spec.replicas.constructor` is not a known field/);
  });

  it("never shows a secret in a message, wherever it stands", () => {
    const canary = "Canary-4711";
    const texts = [
      edited("redis://", `redis://u:${canary}@`),
      edited("redis://127.0.0.1:6379/0", `redis://u:${canary}/@x@h:1`),
      edited("url: redis://127.0.0.1:6379/0", `password: ${canary}`),
      edited("url: redis://127.0.0.1:6379/0", `passwordFrom: ${canary}`),
      edited("url: redis://127.0.0.1:6379/0", `passwordFrom: [${canary}]`),
      edited("url: redis://127.0.0.1:6379/0", `passwordFrom: { env: "${canary}" }`),
      edited("url: redis://127.0.0.1:6379/0", `redis://u:${canary}@h: 1`),
      edited("url: redis://127.0.0.1:6379/0", `urlFrom: redis://u:${canary}@h`),
      edited("worker.js]", `worker.js]\n      env: { A: { b: ${canary} } }`),
      edited("worker.js]", `worker.js]\n      env: "${canary}"`),
      edited("connection: main", `connection: redis://u:${canary}@h`),
      edited("connection: main", `inline: { redis: { url: "redis://u:${canary}@h" } }`),
      edited("redis:\n    url: ", `redis: redis://u:${canary}@h\n  x: `),
      edited("redis:\n    url: ", `redis: "u:${canary}"\n  x: `),
      edited("url: redis://", `url:redis://u:${canary}@`),
      edited("url: redis://127.0.0.1:6379/0", `"u:a ${canary}@h": 1`),
      edited("url: redis://127.0.0.1:6379/0", `"u:a ${canary}@h": 1\n    "u:a ${canary}@h": 1`),
      edited("url: redis://127.0.0.1:6379/0", `username: ["${canary}"]`),
      edited("url: redis://127.0.0.1:6379/0", `passwordFrom: *${canary}`),
      edited("url: redis://127.0.0.1:6379/0", `passwordFrom: !${canary}`),
      edited("url: redis://127.0.0.1:6379/0", `passwordFrom: |${canary}`),
      edited("connection: main", `connection: "u:a ${canary}@h"`),
      edited("kind: ScaledWorker", `kind: "u:${canary}@h"`),
      edited("[node, worker.js]", `"PASS=${canary} ./w.sh"`),
      edited("[node, worker.js]", `"./w.sh --token ${canary}"`),
    ];
    for (const text of texts) {
      const found = parse(text).findings;
      assert.ok(found.length > 0, text);
      assert.ok(!JSON.stringify(found).includes(canary), JSON.stringify(found));
    }
  });

  it("never throws and never gives a worker with an error, whatever is cut out of it or put into it", () => {
    const scraps = fc.constantFrom(
      "",
      " ",
      "\n",
      ":",
      "- ",
      "{",
      "}",
      "[",
      "*a",
      "&a ",
      "'",
      '"',
      "null",
      "-1",
      "1e308",
      ".nan",
      "\t",
      "!x ",
      "---\n",
      "é",
    );
    fc.assert(
      fc.property(fc.nat(good.length), fc.nat(40), scraps, (at, length, scrap) => {
        const { workers, findings } = parse(good.slice(0, at) + scrap + good.slice(at + length));
        for (const { line, column } of findings) assert.ok(line >= 1 && column >= 1);
        const wrong = findings.filter(({ severity }) => severity === "error").map(({ document }) => document);
        for (const { key } of workers) assert.ok(!wrong.includes(`ScaledWorker ${key}`));
      }),
      { numRuns: 500 },
    );
  });
});
