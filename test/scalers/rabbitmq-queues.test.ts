import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { rabbitmq } from "../../scalers/rabbitmq.ts";
import { freePort } from "../../src/services/free-port.ts";
import { skipWithoutRabbit, startRabbit, type TestRabbit } from "../support/rabbitmq.ts";
import { type Lab, openLab } from "../support/rabbitmq-lab.ts";
import { type RabbitClient, rabbitClient } from "../support/rabbitmq-producer.ts";
import { type RabbitSeries, rabbitSeries } from "../support/rabbitmq-program.ts";
import { streamConsumer } from "../support/rabbitmq-stream.ts";
import { waitFor } from "../support/wait.ts";

for (const series of rabbitSeries) {
  const skip = await skipWithoutRabbit(series);
  describe(`queues of RabbitMQ ${series}`, { skip }, () => tests(series));
}

function tests(series: RabbitSeries): void {
  let server: TestRabbit;
  let streamPort = 0;
  let producer: RabbitClient;
  let lab: Lab;
  before(async () => {
    streamPort = await freePort();
    server = await startRabbit({
      series,
      plugins: ["rabbitmq_stream", "rabbitmq_stream_management"],
      config: [`stream.listeners.tcp.1 = 127.0.0.1:${streamPort}`],
    });
    producer = await rabbitClient(server.url);
    lab = await openLab(server);
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
    producer.destroy();
    await server.stop();
  });

  it("that are empty while all their messages are in hand are not idle", async () => {
    await producer.make("held");
    await producer.put("held", 5);
    const worker = await rabbitClient(server.url, "held-1");
    await worker.take("held", 5);
    const probe = await producer.model.createChannel();
    assert.equal((await probe.checkQueue("held")).messageCount, 0, "what a naive count sees");
    const { waiting, running } = await lab.read({ queue: "held" });
    assert.deepEqual([waiting, running], [0, 5]);
    worker.destroy();
  });

  it("name who holds what, by the name of its connection, else by its address", async () => {
    await producer.make("named");
    await producer.put("named", 5);
    const [one, two] = [await rabbitClient(server.url, "mails-1-ab12"), await rabbitClient(server.url)];
    await one.take("named", 3);
    await (await two.take("named", 1)).consume("named", () => {});
    const idle = await rabbitClient(server.url, "mails-2-cd34");
    await (await idle.model.createChannel()).consume("other-of-idle", () => {}).catch(() => {});
    const reading = await lab.reading("the statistics", { queue: "named" }, ({ workers = [] }) => {
      const held = workers.map(({ busy }) => busy).sort();
      return held.join() === "2,3" || held.join() === "1,3";
    });
    const named = reading.workers?.find(({ id }) => id === "mails-1-ab12");
    assert.deepEqual([named?.busy, named?.host], [3, "127.0.0.1"]);
    assert.ok(reading.workers?.some(({ id }) => /^127\.0\.0\.1:\d+$/.test(id)));
    assert.ok(!reading.workers?.some(({ id }) => id === "mails-2-cd34"), "it does not work on this queue");
    for (const worker of [one, two, idle]) worker.destroy();
  });

  it("of type quorum tell at once what is ready, and never that jobs just taken are nobody's", async () => {
    await producer.make("q", { arguments: { "x-queue-type": "quorum" } });
    await producer.put("q", 4);
    assert.equal((await lab.read({ queue: "q" })).waiting, 4, "statistics take up to 5 s for that");
    await lab.reading("the statistics", { queue: "q" }, ({ running }) => running === 0);
    const worker = await rabbitClient(server.url, "q-1");
    await worker.take("q", 4);
    const { waiting, running, runningUnknown } = await lab.read({ queue: "q" });
    assert.equal(waiting, 0);
    assert.ok(running === undefined ? runningUnknown : running >= 4, "zero waiting, zero running: what statistics alone say");
    worker.destroy();
  });

  it("that are missing are a problem of theirs alone, each time anew", async () => {
    await producer.make("there");
    await producer.put("there", 1);
    for (let round = 0; round < 3; round++) {
      const [missing, there, again] = await lab.outcomes({ queue: "none" }, { queue: "there" }, { queue: "none-2" });
      assert.ok(missing && "problem" in missing && there && "reading" in there && again && "problem" in again);
      assert.deepEqual([missing.problem.kind, there.reading.waiting, again.problem.kind], ["missing", 1, "missing"]);
      assert.match(missing.problem.message, /no queue 'none'/);
    }
    await producer.make("none");
    assert.equal((await lab.read({ queue: "none" })).waiting, 0, "and are read once they are there");
  });

  it("that are streams keep what was read: nothing is taken for work that is only kept", async () => {
    await producer.make("stream", { arguments: { "x-queue-type": "stream" } });
    await producer.put("stream", 20);
    const { kind, message } = await lab.problem({ queue: "stream" });
    assert.equal(kind, "missing");
    assert.match(message, /stream 'stream'/);
  });

  it("that are streams tell how far their consumers are behind, not how much they keep", async () => {
    await producer.make("lagging", { arguments: { "x-queue-type": "stream" } });
    for (let i = 0; i < 10; i++) await producer.put("lagging", 2);
    assert.equal((await lab.problem({ queue: "lagging" })).kind, "missing", "nobody tells yet");
    await using _consumer = await streamConsumer(streamPort, "lagging", 1);
    let waiting = 0;
    await waitFor("its lag", async () => {
      const [result] = await lab.outcomes({ queue: "lagging" });
      waiting = (result && "reading" in result && result.reading.waiting) || 0;
      return waiting > 0;
    });
    // Counted up to the beginning of the last chunk that was written.
    assert.ok(waiting > 0 && waiting < 20, String(waiting));
  });

  it("are added up by a pattern of whole names, or the longest counts", async () => {
    for (const [name, jobs] of [
      ["shop.mails", 2],
      ["shop.reports", 5],
      ["xshop.mails", 9],
    ] as const) {
      await producer.make(name);
      await producer.put(name, jobs);
    }
    assert.equal((await lab.read({ pattern: "shop\\..*" })).waiting, 7);
    assert.equal((await lab.read({ pattern: "shop\\..*", combine: "max" })).waiting, 5);
    const worker = await rabbitClient(server.url, "w");
    await worker.take("shop.mails", 2);
    assert.equal((await lab.read({ pattern: "shop\\..*", combine: "max" })).running, 2, "who works counts in any case");
    assert.equal((await lab.problem({ pattern: "nobody.*" })).kind, "missing", "no queue is no empty queue");
    worker.destroy();
  });

  it("in which nobody's jobs wait match no pattern: replies, what Celery's workers say, and its ladder of delays", async () => {
    await server.api("PUT", "vhosts/ladder");
    const own = await rabbitClient(`${server.url}/ladder`);
    const { queue: unnamed } = await (await own.model.createChannel()).assertQueue("");
    for (const name of ["celery_delayed_8", "w@x.celery.pidbox", "celeryev.1", "mails"]) await own.make(name);
    for (const name of [unnamed, "celery_delayed_8", "w@x.celery.pidbox", "celeryev.1", "mails"]) await own.put(name, 20);
    assert.equal((await lab.read({ pattern: ".*", vhost: "ladder" })).waiting, 20, "a naive sum says 100");
    assert.equal((await lab.read({ queue: "celery_delayed_8", vhost: "ladder" })).waiting, 20, "by its name each can be read");
    own.destroy();
  });

  it("of other virtual hosts are read over connections of their own, and fail alone", async () => {
    await server.api("PUT", "vhosts/other%2Fone");
    await producer.make("same");
    const other = await rabbitClient(`${server.url}/other%2Fone`);
    await other.make("same");
    await other.put("same", 3);
    const queries = [{ queue: "same" }, { queue: "same", vhost: "other/one" }, { queue: "same", vhost: "none" }];
    const [first, second, third] = await lab.outcomes(...queries);
    assert.ok(first && "reading" in first && second && "reading" in second && third && "problem" in third);
    assert.deepEqual([first.reading.waiting, second.reading.waiting], [0, 3]);
    assert.deepEqual([third.problem.kind, third.problem.message], ["missing", "there is no virtual host 'none'"]);
    other.destroy();
  });

  it("tell their age where publishers set the time, and what came and went", async () => {
    await producer.make("dated");
    await producer.put("dated", 2, { timestamp: Math.round(Date.now() / 1000) - 90 });
    const worker = await rabbitClient(server.url, "dated-1");
    const channel = await worker.take("dated", 1);
    channel.ackAll();
    const fits = ({ oldestMs, enqueued, finished }: { oldestMs?: number; enqueued?: number; finished?: number }) =>
      oldestMs !== undefined && enqueued === 2 && (finished ?? 0) >= 1;
    await channel.close();
    const { oldestMs = 0 } = await lab
      .reading("the statistics", { queue: "dated" }, fits)
      .catch(async () => lab.read({ queue: "dated" }));
    assert.ok(oldestMs === 0 || (oldestMs >= 89_000 && oldestMs < 130_000), String(oldestMs));
    worker.destroy();
  });

  it("want a name or a pattern, and a pattern that is one", () => {
    for (const bad of [{}, { queue: "a", pattern: "b" }, { pattern: "(" }, { queue: "" }, { queues: ["a"] }])
      assert.equal(rabbitmq.query.safeParse(bad).success, false, JSON.stringify(bad));
  });
}
