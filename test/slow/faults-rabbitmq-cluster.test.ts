import assert from "node:assert/strict";
import { after, before, describe, it, test } from "node:test";
import type { Problem, Result } from "../../src/core/contract.ts";
import { throughCluster } from "../faults/support/rabbitmq.ts";
import { skipWithoutRabbit, startRabbitCluster, type TestRabbit, type TestRabbitCluster } from "../support/rabbitmq.ts";
import { type Lab, openLab } from "../support/rabbitmq-lab.ts";
import { rabbitClient } from "../support/rabbitmq-producer.ts";
import { waitFor } from "../support/wait.ts";

// 4.0 out of Debian's unpacked packages cannot start the helper by which nodes find each other.
const series = "3.10";
const skip = await skipWithoutRabbit(series);

const jobs = 3;
const homes = ["a", "b", "c"] as const;
const names = homes.flatMap((home) => [`classic.${home}`, `quorum.${home}`]);

describe("a cluster of RabbitMQ, read from node a", { skip }, () => {
  let cluster: TestRabbitCluster;
  let [b, c]: readonly TestRabbit[] = [];
  let lab: Lab;
  before(async () => {
    cluster = await startRabbitCluster(homes.length, { series });
    for (const [index, node] of cluster.nodes.entries()) {
      const producer = await rabbitClient(node.url);
      for (const type of ["classic", "quorum"]) {
        const queue = `${type}.${homes[index]}`;
        await producer.make(queue, { arguments: { "x-queue-type": type } });
        await producer.put(queue, jobs, { persistent: true });
      }
      producer.destroy();
    }
    const [a, ...others] = cluster.nodes;
    [b, c] = others;
    lab = await openLab(a as TestRabbit);
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
  });

  /** Reads all of them, and two patterns; whatever goes on, no reading has fewer jobs than there are. */
  const look = async (): Promise<Readonly<Record<string, Result>>> => {
    const patterns = ["classic", "quorum"].map((type) => ({ pattern: `${type}\\..*` }));
    const results = await lab.outcomes(...names.map((queue) => ({ queue })), ...patterns);
    const found = Object.fromEntries([...names, "classic", "quorum"].map((name, index) => [name, results[index] as Result]));
    for (const [name, result] of Object.entries(found)) {
      const least = name.includes(".") ? jobs : jobs * homes.length;
      if (!("reading" in result)) continue;
      // Where a leader has just changed, what it does not tell yet counts as in hand.
      const { waiting = 0, running = 0 } = result.reading;
      assert.equal(waiting + running, least, `${name}: ${JSON.stringify(result)}`);
    }
    return found;
  };
  const known = (found: Awaited<ReturnType<typeof look>>) =>
    Object.keys(found).filter((name) => "reading" in (found[name] ?? {}));
  const problem = (found: Awaited<ReturnType<typeof look>>, name: string): Problem | undefined => {
    const result = found[name];
    return result && "problem" in result ? result.problem : undefined;
  };
  const allAreKnown = () => waitFor("all are known", async () => known(await look()).length === names.length + 2, 60_000);

  it("reads the others while a node is silent and not missed yet", async () => {
    await allAreKnown();
    // All leaders are at home still: one that is silent leaves its quorum queues to nobody for as long.
    c?.stopProcess();
    for (let seen = await look(); !/is down/.test(problem(seen, "classic.c")?.message ?? ""); seen = await look()) {
      for (const name of ["classic.a", "classic.b", "quorum.a", "quorum.b"])
        assert.ok(known(seen).includes(name), JSON.stringify(seen[name]));
    }
    await c?.restart();
    await allAreKnown();
  });

  it("tells of a quorum queue without a leader or a majority that it has none, and of the others how many wait", async () => {
    await allAreKnown();
    await b?.halt();
    await c?.halt();
    let seen: Awaited<ReturnType<typeof look>> = {};
    const away = () => names.filter((name) => name !== "classic.a");
    await waitFor("those of the nodes that are down are not known", async () => {
      seen = await look();
      return away().every((name) => problem(seen, name)?.kind === "unreachable");
    });
    // Which of both depends on where its leader is: it moved when its node was silent.
    for (const name of ["quorum.a", "quorum.c"]) {
      const message = problem(seen, name)?.message ?? "";
      assert.match(message, new RegExp(`queue '${name}' has no (leader|majority.*): too few of its nodes are up`));
    }
    assert.match(problem(seen, "classic.c")?.message ?? "", /queue 'classic\.c' is down: its node is down/);
    assert.ok(known(seen).includes("classic.a"));
    assert.equal(problem(seen, "quorum")?.kind, "unreachable", "a sum without one of them is no sum");
    assert.equal(problem(seen, "classic")?.kind, "unreachable");
    // One that begins in the middle of it knows no more than it is told.
    await using fresh = await openLab(cluster.nodes[0] as TestRabbit);
    await waitFor("the pattern is not known to a new connection", async () => {
      const [result] = await fresh.outcomes({ pattern: "quorum\\..*" });
      return result !== undefined && "problem" in result && result.problem.kind === "unreachable";
    });
    await Promise.all([b?.restart(), c?.restart()]);
    await allAreKnown();
  });
});

const faults = [
  { type: "classic", home: 2, name: "its home is down", down: 1 },
  { type: "quorum", home: 2, name: "two of its three nodes are down, its leader's too", down: 2 },
  { type: "quorum", home: 0, name: "its leader lives on without the two others", down: 2 },
] as const;

for (const { type, home, name, down } of faults) {
  test(`A ${type} queue of a cluster of RabbitMQ: ${name}: held (row 52)`, { skip }, () =>
    throughCluster({ series, type, home }, (nodes) => [
      {
        name,
        sees: "unreachable",
        async begin() {
          for (const node of nodes.slice(-down)) await node.halt();
        },
        end: () => Promise.all(nodes.slice(-down).map((node) => node.restart())),
      },
    ]),
  );
}
