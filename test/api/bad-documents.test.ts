import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { edited, findings, good } from "./documents.ts";

type Case = readonly [title: string, text: string, line: number, column: number, message: string];

const replicas = "{ min: 1, max: 5 }";
const whole = "must be a whole number from 0 to 100000";
const goals = "`waitingPerReplica`, `jobsPerReplica`, `startWithin`, `drainWithin`";

const cases: readonly Case[] = [
  [
    "wrong YAML",
    edited("worker.js]", "worker.js"),
    15,
    3,
    "YAML: Flow sequence in block collection must be sufficiently indented and end with a ]",
  ],
  [
    "a key twice",
    edited("  fallback:", "  replicas: { max: 3 }\n  fallback:"),
    21,
    3,
    "YAML: `replicas` stands twice in the same map",
  ],
  ["a tab as indentation", edited("  replicas:", "\treplicas:"), 15, 1, "YAML: Tabs are not allowed as indentation"],
  [
    "an alias without an anchor",
    edited("name: mails }", "name: *nobody }"),
    10,
    19,
    "YAML: Unresolved alias (the anchor must be set before the alias)",
  ],
  ["a tag of another tool", edited("max: 5", "max: !env MAX"), 15, 28, "YAML: Unresolved tag"],

  [
    "an unknown field",
    edited(replicas, "{ mim: 1, max: 5 }"),
    15,
    15,
    "`spec.replicas.mim` is not a known field: did you mean `min`?",
  ],
  [
    "another tool's field",
    edited("  fallback:", "  maxReplicaCount: 3\n  fallback:"),
    21,
    3,
    "`spec.maxReplicaCount` is not a known field: did you mean `replicas.max`?",
  ],
  [
    "an unknown field without a near one",
    edited(replicas, "{ size: 1, max: 5 }"),
    15,
    15,
    "`spec.replicas.size` is not a known field: known are `min`, `max`, `idle`, `hardMax`",
  ],
  [
    "an unknown field of a scaler",
    edited("queue: mails", "queue: mails, prio: 1"),
    19,
    29,
    "`spec.triggers[0].mail.prio` is not a known field: known are `queue`, `lookAhead`",
  ],
  [
    "an unknown scaler",
    edited("mail: {", "mial: {"),
    19,
    7,
    "`spec.triggers[0].mial` is not a known field: did you mean `mail`?",
  ],
  [
    "a plain password",
    edited("url: redis://127.0.0.1:6379/0", "password: hunter2"),
    6,
    5,
    "`spec.redis.password` is not a known field: did you mean `passwordFrom`?",
  ],
  [
    "a misspelt field that must be there",
    edited("  replicas:", "  replica:"),
    15,
    3,
    "`spec.replica` is not a known field: did you mean `replicas`?",
  ],
  [
    "a misspelt connection",
    edited("connection:", "conection:"),
    18,
    7,
    "`spec.triggers[0].conection` is not a known field: did you mean `connection`?",
  ],
  ["a missing field", edited("max: 5 ", "idle: 0 "), 15, 13, `\`spec.replicas.max\` is missing: it ${whole}`],
  ["a missing section", edited(`  replicas: ${replicas}\n`, ""), 12, 3, "`spec.replicas` is missing: it must be a map"],
  ["a key without a value", edited(replicas, ""), 15, 13, "`spec.replicas` is missing: it must be a map"],

  [
    "two goals",
    edited("waitingPerReplica: 20", "waitingPerReplica: 20, startWithin: 30s"),
    20,
    51,
    `\`spec.triggers[0].goal.startWithin\` must have exactly one of ${goals}; found \`waitingPerReplica\` and \`startWithin\``,
  ],
  [
    "no goal",
    edited("{ waitingPerReplica: 20 }", "{}"),
    20,
    13,
    `\`spec.triggers[0].goal\` must have exactly one of ${goals}; found none`,
  ],
  [
    "figures for a goal that has no time",
    edited("waitingPerReplica: 20", "waitingPerReplica: 20, assume: { serviceTime: 1s }"),
    20,
    46,
    "`spec.triggers[0].goal.assume` must stand beside `startWithin` or `drainWithin` only",
  ],
  [
    "no time to start",
    edited("waitingPerReplica: 20", "startWithin: 0s"),
    20,
    28,
    "`spec.triggers[0].goal.startWithin` must be a duration from 1ms to 168h, such as '30s', '1m30s' or '500ms'; found '0s'",
  ],
  [
    "a bad duration",
    edited("waitingPerReplica: 20", "startWithin: 30 seconds"),
    20,
    28,
    "`spec.triggers[0].goal.startWithin` must be a duration from 1ms to 168h, such as '30s', '1m30s' or '500ms'; found '30 seconds'",
  ],
  [
    "a duration without a unit",
    edited("waitingPerReplica: 20", "drainWithin: 30"),
    20,
    28,
    "`spec.triggers[0].goal.drainWithin` must be a duration from 1ms to 168h, such as '30s', '1m30s' or '500ms'; found '30'",
  ],
  [
    "two scalers in one trigger",
    edited("mail: { queue: mails }", "mail: { queue: mails }\n      rabbit: { queue: mails }"),
    20,
    15,
    "`spec.triggers[0].rabbit` must have exactly one of `mail`, `plain`, `rabbit`; found `mail` and `rabbit`",
  ],
  [
    "no scaler in a trigger",
    edited("      mail: { queue: mails }\n", ""),
    17,
    7,
    "`spec.triggers[0]` must have exactly one of `mail`, `plain`, `rabbit`; found none",
  ],
  [
    "no trigger",
    edited(/triggers:[\s\S]*?20 }/.exec(good)?.[0] ?? "", "triggers: []"),
    16,
    13,
    "`spec.triggers` must be a list of 1 to 64 items; found an empty list",
  ],

  ["min above max", edited("min: 1", "min: 6"), 15, 20, "`spec.replicas.min` must not be above `max`, which is 5; found '6'"],
  [
    "idle above min",
    edited("min: 1,", "min: 1, idle: 2,"),
    15,
    29,
    "`spec.replicas.idle` must not be above `min`, which is 1; found '2'",
  ],
  [
    "fallback above max",
    edited("{ replicas: 3 }", "{ replicas: 9 }"),
    21,
    25,
    "`spec.fallback.replicas` must not be above `spec.replicas.max`, which is 5; found '9'",
  ],
  ["a negative number", edited("min: 1", "min: -1"), 15, 20, `\`spec.replicas.min\` ${whole}; found '-1'`],
  ["a fraction", edited("max: 5", "max: 5.5"), 15, 28, `\`spec.replicas.max\` ${whole}; found '5.5'`],
  ["a number like 1e9", edited("max: 5", "max: 1e9"), 15, 28, `\`spec.replicas.max\` ${whole}; found '1e9'`],
  ["a number like 1e308", edited("max: 5", "max: 1e308"), 15, 28, `\`spec.replicas.max\` ${whole}; found '1e308'`],
  ["infinity", edited("max: 5", "max: .inf"), 15, 28, `\`spec.replicas.max\` ${whole}; found '.inf'`],
  ["not a number", edited("max: 5", "max: .nan"), 15, 28, `\`spec.replicas.max\` ${whole}; found '.nan'`],
  ["the text NaN", edited("max: 5", "max: NaN"), 15, 28, `\`spec.replicas.max\` ${whole}; found 'NaN'`],
  [
    "a number as text",
    edited("max: 5", 'max: "5"'),
    15,
    28,
    `\`spec.replicas.max\` ${whole}; found text '5' (take away the quotes)`,
  ],
  [
    "a huge goal",
    edited("waitingPerReplica: 20", "waitingPerReplica: 1e18"),
    20,
    34,
    "`spec.triggers[0].goal.waitingPerReplica` must be a whole number from 1 to 1000000000; found '1e18'",
  ],
  [
    "text in place of a list",
    edited("command: [node, worker.js]", "command: node worker.js"),
    14,
    16,
    "`spec.target.process.command` must be a list of 1 to 256 items; found 'node worker.js'",
  ],
  [
    "a number among words",
    edited("[node, worker.js]", "[node, 3]"),
    14,
    23,
    "`spec.target.process.command[1]` must be text of at most 4096 characters; found '3' (put it into quotes)",
  ],
  [
    "a word that would end before its end",
    edited("[node, worker.js]", '[node, "worker.js\\0--all"]'),
    14,
    23,
    "`spec.target.process.command[1]` must not hold NUL, which the system takes for its end; found 'worker.js --all'",
  ],
  [
    "an unknown choice",
    edited("  fallback:", "  mode: observe\n  fallback:"),
    21,
    9,
    "`spec.mode` must be one of 'Scale', 'Observe'; found 'observe'",
  ],
  [
    "a name that Kubernetes would refuse",
    edited("name: mails }", "name: Mails_1 }"),
    10,
    19,
    "`metadata.name` must be 1 to 63 lower-case letters, digits and dashes, and begin and end with a letter or digit; found 'Mails_1'",
  ],

  [
    "no connection",
    edited("      connection: main\n", ""),
    17,
    7,
    "`spec.triggers[0]` must have `connection`: the name of a QueueConnection with `redis`",
  ],
  [
    "a connection that nobody declares",
    edited("connection: main", "connection: mian"),
    18,
    19,
    "`spec.triggers[0].connection` must name a QueueConnection in namespace 'default': did you mean 'main'?; found 'mian'",
  ],
  [
    "a connection in another namespace",
    edited("{ name: mails }", "{ name: mails, namespace: shop }"),
    18,
    19,
    "`spec.triggers[0].connection` must name a QueueConnection in namespace 'shop': there is none; found 'main'",
  ],
  [
    "a connection of another protocol",
    edited("mail: {", "rabbit: {"),
    18,
    19,
    "`spec.triggers[0].connection` must name a QueueConnection with `amqp`; 'main' has `redis`",
  ],
  [
    "an address where a name belongs",
    edited("connection: main", "connection: { redis: { url: redis://h } }"),
    18,
    19,
    "`spec.triggers[0].connection` must be the name of a QueueConnection (an address in its place stands under `inline`); found a map",
  ],
  [
    "a credential in an inline address",
    edited("connection: main", "inline: { redis: { passwordFrom: { env: A } } }"),
    18,
    26,
    "`spec.triggers[0].inline.redis.passwordFrom` must not stand in an inline connection: a credential needs a QueueConnection",
  ],
  [
    "a cluster's secret on one machine",
    edited("url: redis://127.0.0.1:6379/0", "passwordFrom: { secretKeyRef: { name: a, key: b } }"),
    6,
    21,
    "`spec.redis.passwordFrom.secretKeyRef` must not be used outside a cluster: use `env` or `file`",
  ],
  [
    "a password in a URL",
    edited("redis://127", "redis://bob:hunter2@127"),
    6,
    10,
    "`spec.redis.url` must not carry a password: use `passwordFrom`, or `urlFrom` for the whole URL",
  ],
  [
    "a secret from two places",
    edited("url: redis://127.0.0.1:6379/0", "passwordFrom: { env: A, file: b }"),
    6,
    19,
    "`spec.redis.passwordFrom` must have exactly one of `env`, `file` and `secretKeyRef`",
  ],
  [
    "two protocols in one connection",
    edited("/0\n---", "/0\n  amqp: { url: amqp://h }\n---"),
    7,
    9,
    "`spec.amqp` must have exactly one of `redis`, `amqp`; found `redis` and `amqp`",
  ],

  [
    "busy workers that nobody can see",
    edited("mail: { queue: mails }", "plain: { list: { key: jobs } }"),
    19,
    14,
    "`spec.triggers[0].plain` cannot see which jobs are in hand, and `spec.scaleDown.protect` is 'busy': must have `plain.list.processing` (the list that workers move jobs to), or set `scaleDown.protect: grace`",
  ],
  [
    "two triggers of one name",
    edited(
      "  fallback:",
      "    - name: mails\n      connection: main\n      mail: { queue: b }\n      goal: { jobsPerReplica: 1 }\n  fallback:",
    ),
    21,
    13,
    "`spec.triggers[1].name` must be unique: `triggers[0]` has the name 'mails' too",
  ],
  [
    "two documents of one name",
    `${good}---\n${good.split("---\n")[0]}`,
    25,
    19,
    "`metadata.name` must be unique: QueueConnection default/main is declared twice",
  ],

  [
    "an unknown kind",
    edited("kind: ScaledWorker", "kind: ScaledWorkers"),
    9,
    7,
    "`kind` must be one of 'QueueConnection', 'ClusterQueueConnection', 'ScaledWorker'; found 'ScaledWorkers': did you mean 'ScaledWorker'?",
  ],
  [
    "no kind",
    edited("kind: ScaledWorker\n", ""),
    8,
    1,
    "`kind` must be one of 'QueueConnection', 'ClusterQueueConnection', 'ScaledWorker'; it is missing",
  ],
  [
    "another version",
    edited("v1alpha1\nkind: Sc", "v1\nkind: Sc"),
    8,
    13,
    "`apiVersion` must be 'worktide.dev/v1alpha1'; found 'worktide.dev/v1'",
  ],
  [
    "a list in place of a document",
    "- a\n- b\n",
    1,
    1,
    "a document must be a map with `apiVersion`, `kind`, `metadata` and `spec`",
  ],
  [
    "an empty file",
    "# nothing\n",
    1,
    1,
    "the file must hold at least one document (ScaledWorker or QueueConnection); found none",
  ],
  [
    "a file without end",
    `# ${"x".repeat(1024 * 1024)}`,
    1,
    1,
    "the file must not be larger than 1 MiB; found 1048578 characters",
  ],
];

describe("a wrong file", () => {
  for (const [title, text, line, column, message] of cases) {
    it(`with ${title} gets exactly one message, at its line and column`, () => {
      const found = findings(text);
      assert.equal(found.length, 1, found.join("\n"));
      assert.equal(found[0], `w.yaml:${line}:${column}: error: ${message}`);
    });
  }

  it("gets all its messages at once, in the order of its lines", () => {
    const text = edited(replicas, "{ min: -1, max: x, size: 3 }")
      .replace("waitingPerReplica: 20", "startWithin: soon")
      .replace("redis://", "redis://a:b@");
    assert.deepEqual(
      findings(text).map((line) => line.split(" ").slice(0, 3).join(" ")),
      [
        "w.yaml:6:10: error: `spec.redis.url`",
        "w.yaml:15:20: error: `spec.replicas.min`",
        "w.yaml:15:29: error: `spec.replicas.max`",
        "w.yaml:15:32: error: `spec.replicas.size`",
        "w.yaml:20:28: error: `spec.triggers[0].goal.startWithin`",
      ],
    );
  });
});
