import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { skipWithoutRabbit, startRabbit, type TestRabbit } from "../support/rabbitmq.ts";
import { openLab } from "../support/rabbitmq-lab.ts";
import { type RabbitClient, rabbitClient } from "../support/rabbitmq-producer.ts";
import { waitFor } from "../support/wait.ts";

const skip = await skipWithoutRabbit();

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const json =
  (body: unknown): Answer =>
  (_request, response) =>
    response.writeHead(200, { "content-type": "application/json" }).end(typeof body === "string" ? body : JSON.stringify(body));

/** A management API that answers as a test says, beside a real AMQP: what proxies, restarts and old bugs make of it. */
async function standIn(answer: Answer) {
  const asked: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    asked.push(request);
    answer(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe("the management API of RabbitMQ", { skip }, () => {
  let server: TestRabbit;
  let producer: RabbitClient;
  before(async () => {
    server = await startRabbit();
    producer = await rabbitClient(server.url);
    await producer.make("mails");
    await producer.put("mails", 2);
  });
  after(async () => {
    producer.destroy();
    await server.stop();
  });

  const row = (fields: object) => [{ name: "mails", type: "classic", state: "running", ...fields }];
  for (const [what, answer, why] of [
    ["has no numbers yet", json(row({})), /no statistics/],
    ["tells negative ones", json(row({ messages_ready: -4, messages_unacknowledged: -1 })), /no statistics/],
    ["tells fractions", json(row({ messages_ready: 0.5, messages_unacknowledged: 1e300 })), /no statistics/],
    ["is a login page", (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>"), /not JSON/],
    ["is a gateway without a server", (_, response) => response.writeHead(502).end("bad gateway"), /status 502/],
    ["is cut off in the middle", json('[{"name": "mai'), /not JSON/],
    ["says more than memory holds", json(`[${"{},".repeat(600_000)}{}]`), /more than 500000 values/],
    ["is another API", json({ error: "no" }), /no list/],
    ["says nothing", () => {}, /no answer/],
  ] as readonly (readonly [string, Answer, RegExp])[]) {
    it(`that ${what} is no empty queue: what waits comes by AMQP, and what runs is not known`, async () => {
      await using management = await standIn(answer);
      await using lab = await openLab(server, { management: { url: management.url } });
      const { waiting, running, runningUnknown } = await lab.read({ queue: "mails" });
      assert.deepEqual([waiting, running], [2, undefined]);
      assert.match(runningUnknown ?? "", why);
    });
  }

  it("that says a queue is down makes it unknown, not missing and not empty", async () => {
    await using management = await standIn(json(row({ state: "down" })));
    await using lab = await openLab(server, { management: { url: management.url } });
    const { kind, message } = await lab.problem({ queue: "mails" });
    assert.deepEqual([kind, message], ["unreachable", "queue 'mails' is down: its node is down, or too few of its nodes are up"]);
  });

  it("that says a quorum queue has lost its majority makes it unknown: its leader tells its last number for ever", async () => {
    const quorum = (online: readonly string[]) =>
      json(row({ type: "quorum", members: ["a", "b", "c"], online, messages_ready: 2, messages_unacknowledged: 0 }));
    await using lost = await standIn(quorum(["a"]));
    await using alone = await openLab(server, { management: { url: lost.url } });
    let [result] = await alone.outcomes({ queue: "mails" });
    await waitFor("the statistics", async () => {
      [result] = await alone.outcomes({ queue: "mails" });
      return result !== undefined && "problem" in result;
    });
    const problem = result && "problem" in result ? result.problem : undefined;
    assert.equal(problem?.kind, "unreachable");
    assert.match(problem?.message ?? "", /^queue 'mails' has no majority/);
    await using kept = await standIn(quorum(["a", "c"]));
    await using lab = await openLab(server, { management: { url: kept.url } });
    const statistics = () => kept.asked.filter(({ url }) => url?.includes("online")).length;
    await waitFor("the statistics", async () => (await lab.read({ queue: "mails" })) && statistics() > 0);
    assert.equal((await lab.read({ queue: "mails" })).waiting, 2, "one of three may be away");
  });

  it("that says of a consumer of a stream that has got nothing yet that it is not behind tells nothing", async () => {
    const consumer = (fields: object) => ({ queue: { name: "mails" }, ...fields });
    let consumers = [consumer({ offset_lag: 0, consumed: 0 })];
    await using management = await standIn((request, response) =>
      json(request.url?.includes("stream/consumers") ? consumers : row({ type: "stream" }))(request, response),
    );
    await using lab = await openLab(server, { management: { url: management.url } });
    const asked = () => management.asked.filter(({ url }) => url?.includes("stream/consumers")).length;
    await waitFor("the consumers", async () => (await lab.problem({ queue: "mails" })).kind === "missing" && asked() > 1);
    consumers = [...consumers, consumer({ offset_lag: 7, consumed: 3 })];
    await waitFor("the lag", async () => {
      const [result] = await lab.outcomes({ queue: "mails" });
      return result !== undefined && "reading" in result && result.reading.waiting === 7;
    });
  });

  it("that sends us elsewhere is not followed: a login goes only where it was given for", async () => {
    await using other = await standIn(json([]));
    await using management = await standIn((_, response) =>
      response.writeHead(302, { location: `${other.url}/api/queues` }).end(),
    );
    await using lab = await openLab(server, { management: { url: management.url } });
    assert.equal((await lab.read({ queue: "mails" })).running, undefined);
    assert.equal(other.asked.length, 0);
    assert.match(management.asked[0]?.headers.authorization ?? "", /^Basic /);
  });

  it("with a login of its own never gets that of AMQP", async () => {
    await using management = await standIn(json(row({ messages_ready: 1, messages_unacknowledged: 1 })));
    const settings = { url: management.url, username: "monitor", passwordFrom: { env: "P" } };
    await using lab = await openLab(server, { management: settings, username: "guest", password: "guest" });
    await lab.read({ queue: "mails" });
    assert.equal(management.asked[0]?.headers.authorization, undefined, "without its password it has no login at all");
  });

  it("is asked for one list a round, and for one more at most, however many queues and patterns there are", async () => {
    const names = Array.from({ length: 500 }, (_, i) => `mails-${i}`);
    const rows = names.map((name) => ({ ...row({ messages_ready: 1, messages_unacknowledged: 0 })[0], name }));
    await using management = await standIn((request, response) =>
      json(request.url?.includes("enable_queue_totals") ? rows : [])(request, response),
    );
    await using lab = await openLab(server, { management: { url: management.url } });
    const queries = [...names.map((queue) => ({ queue })), { pattern: "mails-.*" }, { pattern: "mails-1.*", combine: "max" }];
    const rounds = 10;
    for (let round = 0; round < rounds; round++) {
      const found = await lab.outcomes(...queries);
      assert.ok(found.every((result) => "reading" in result));
    }
    const lists = management.asked.filter(({ url }) => url?.includes("enable_queue_totals")).length;
    assert.equal(lists, rounds);
    assert.ok(management.asked.length - lists <= rounds, String(management.asked.map(({ url }) => url)));
  });

  it("whose names a pattern would be tried on for ever says so, and the others are read", async () => {
    const [own] = row({ messages_ready: 1, messages_unacknowledged: 0 });
    await using management = await standIn(json([own, { ...own, name: `${"a".repeat(60)}!` }]));
    await using lab = await openLab(server, { management: { url: management.url } });
    const [endless, good] = await lab.outcomes({ pattern: "(a+)+" }, { pattern: "m.*" });
    assert.match(endless && "problem" in endless ? endless.problem.message : "", /takes too long/);
    assert.equal(good && "reading" in good && good.reading.waiting, 1);
  });

  it("that is down is asked less and less often, and is back by itself", async () => {
    let up = false;
    await using management = await standIn((request, response) =>
      up ? json(row({ messages_ready: 2, messages_unacknowledged: 1 }))(request, response) : response.writeHead(500).end(),
    );
    await using lab = await openLab(server, { management: { url: management.url } });
    const began = performance.now();
    for (let i = 0; i < 20; i++) assert.equal((await lab.read({ queue: "mails" })).waiting, 2);
    const lists = () => management.asked.filter(({ url }) => url?.includes("enable_queue_totals")).length;
    assert.ok(lists() <= 1 + (performance.now() - began) / 2000, `${lists()} times`);
    up = true;
    assert.equal((await lab.reading("it is back", { queue: "mails" }, ({ running }) => running === 1)).waiting, 2);
  });

  it("that is turned off is not asked", async () => {
    await using management = await standIn(json([]));
    await using lab = await openLab(server, { management: { url: management.url, enabled: false } });
    const { waiting, runningUnknown } = await lab.read({ queue: "mails" });
    assert.deepEqual([waiting, runningUnknown], [2, "the management API is turned off"]);
    assert.equal((await lab.problem({ queue: "none" })).kind, "missing");
    assert.equal((await lab.read({ queue: "mails" })).waiting, 2, "the channel that closed is another one by now");
    assert.equal(management.asked.length, 0);
  });
});
