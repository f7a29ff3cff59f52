import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { monotonicMs } from "../../src/brokers/clock.ts";
import { rabbitBroker } from "../../src/brokers/rabbitmq.ts";
import { mostBytes } from "../../src/brokers/rabbitmq-link.ts";
import type { Problem } from "../../src/core/contract.ts";
import { startProxy } from "../support/proxy.ts";
import { skipWithoutRabbit, startRabbit, type TestRabbit } from "../support/rabbitmq.ts";
import { openLab, settingsFor } from "../support/rabbitmq-lab.ts";
import { type RabbitClient, rabbitClient } from "../support/rabbitmq-producer.ts";
import { makeCerts } from "../support/redis-topologies.ts";
import { soon } from "../support/scaler-lab.ts";
import { waitFor } from "../support/wait.ts";

const skip = await skipWithoutRabbit();
const canary = "kanarienvogel-72";

/** The problem that a session ends with before it begins. */
async function refusal(settings: unknown): Promise<Problem> {
  try {
    (await rabbitBroker.open(settings as never, soon())).destroy();
  } catch (error) {
    return (error as { problem: Problem }).problem;
  }
  return assert.fail("it was let in");
}

describe("a connection to RabbitMQ", { skip }, () => {
  let server: TestRabbit;
  let producer: RabbitClient;
  before(async () => {
    server = await startRabbit();
    producer = await rabbitClient(server.url);
    await producer.make("mails");
    await producer.put("mails", 2);
    await server.api("PUT", "users/worktide", { password: canary, tags: "monitoring" });
    await server.api("PUT", "permissions/%2F/worktide", { configure: "^$", write: "^$", read: "^$" });
    await server.api("PUT", "users/outsider", { password: canary, tags: "" });
    await server.api("PUT", "permissions/%2F/outsider", { configure: "^$", write: "^$", read: "^$" });
  });
  after(async () => {
    producer.destroy();
    await server.stop();
  });

  it("needs a login that is right, and never shows it", async () => {
    for (const change of [{ password: `${canary}-wrong` }, { username: "nobody" }]) {
      const { kind, message } = await refusal(settingsFor(server, { username: "worktide", password: canary, ...change }));
      assert.equal(kind, "auth", message);
      assert.ok(!message.includes(canary), message);
    }
  });

  it("needs a tag and no permission at all to see who is busy", async () => {
    await using lab = await openLab(server, { username: "worktide", password: canary });
    const worker = await rabbitClient(server.url, "mails-1");
    await worker.take("mails", 1);
    const seen = await lab.reading("the statistics", { queue: "mails" }, ({ workers }) => workers?.[0]?.busy === 1);
    assert.deepEqual([seen.waiting, seen.running, seen.workers?.[0]?.id], [1, 1, "mails-1"]);
    worker.destroy();
    await lab.reading("they are given back", { queue: "mails" }, ({ waiting }) => waiting === 2);
  });

  it("of a user without a tag sees what is ready, and says why it does not see what runs", async () => {
    await using lab = await openLab(server, { username: "outsider", password: canary });
    const { waiting, running, runningUnknown } = await lab.read({ queue: "mails" });
    assert.deepEqual([waiting, running], [2, undefined]);
    assert.match(runningUnknown ?? "", /management API at http:.*the login is refused \(401\)/);
    assert.equal((await lab.problem({ pattern: "mails" })).kind, "auth");
  });

  it("says which virtual host there is not, is full, or is not for this user", async () => {
    const login = { username: "worktide", password: canary };
    for (const who of [{}, login]) {
      const missing = await refusal(settingsFor(server, { vhost: "none", ...who }));
      assert.deepEqual(missing, { kind: "missing", message: "there is no virtual host 'none'" });
    }
    await server.api("PUT", "vhosts/full");
    await server.api("PUT", "permissions/full/worktide", { configure: "^$", write: "^$", read: "^$" });
    await server.api("PUT", "vhost-limits/full/max-connections", { value: 0 });
    const full = await refusal(settingsFor(server, { vhost: "full", ...login }));
    assert.deepEqual(full, { kind: "limit", message: "virtual host 'full' is full: it takes 0 connections" });
    await server.api("PUT", "vhosts/shut");
    const shut = await refusal(settingsFor(server, { vhost: "shut", ...login }));
    assert.equal(shut.kind, "auth");
    assert.match(shut.message, /virtual host 'shut'/);
    assert.equal((await refusal(settingsFor(server, { vhost: "none", management: { enabled: false } }))).kind, "auth");
  });

  it("takes the first node that answers", async () => {
    await using dead = await startProxy(() => server.port);
    await dead.set({ kind: "reset" });
    const url = `amqp://127.0.0.1:${dead.port}`;
    await using lab = await openLab(server, { url, nodes: [`127.0.0.1:${server.port}`] });
    assert.equal((await lab.read({ queue: "mails" })).waiting, 2);
    assert.equal((await refusal(settingsFor(server, { url }))).kind, "unreachable");
  });

  it("is one, whatever is asked and however often, and none when it ends", async () => {
    const ours = async () => {
      const all = (await server.api("GET", "connections?columns=user,user_provided_name")) as readonly Record<string, unknown>[];
      return all.filter((one) => one["user_provided_name"] === "worktide" && one["user"] === "worktide").length;
    };
    await waitFor("those of other tests to go", async () => (await ours()) === 0);
    const lab = await openLab(server, { username: "worktide", password: canary });
    for (let round = 0; round < 5; round++) await lab.outcomes(...Array.from({ length: 600 }, () => ({ queue: "mails" })));
    for (let i = 0; i < 5; i++) await refusal(settingsFor(server, { username: "worktide", password: "wrong" }));
    await waitFor("it is listed", async () => (await ours()) === 1);
    await lab[Symbol.asyncDispose]();
    await waitFor("it has gone", async () => (await ours()) === 0);
  });

  it("that goes silent is given up by whoever asked, at once, and another one works", async () => {
    await using proxy = await startProxy(() => server.port);
    await using lab = await openLab(server, { url: `amqp://127.0.0.1:${proxy.port}`, management: { enabled: false } });
    await lab.read({ queue: "mails" });
    await proxy.set({ kind: "freeze" });
    const deadline = new AbortController();
    const asked = lab.session.client.survey("/", ["mails"], [], deadline.signal);
    setTimeout(() => deadline.abort(), 50);
    await assert.rejects(asked, /no answer within the deadline/);
    lab.session.destroy();
    assert.equal((await lab.session.lost).kind, "unreachable");
    await using again = await openLab(server, { url: `amqp://127.0.0.1:${proxy.port}`, management: { enabled: false } });
    assert.equal((await again.read({ queue: "mails" })).waiting, 2);
  });

  it("on which it speaks ends where a message comes that is larger than any of theirs; another one works, and it reads on", async () => {
    await using lab = await openLab(server);
    const channel = await lab.session.client.speak();
    const { queue } = await channel.assertQueue("", { exclusive: true });
    const got: number[] = [];
    await channel.consume(queue, (message) => message && got.push(message.content.length), { noAck: true });
    const ended = once(channel, "close");
    const publisher = await producer.model.createConfirmChannel();
    for (const bytes of [mostBytes, mostBytes + 1]) {
      publisher.sendToQueue(queue, Buffer.alloc(bytes));
      await publisher.waitForConfirms();
    }
    await ended;
    assert.deepEqual(got, [mostBytes]);
    assert.equal((await lab.read({ queue: "mails" })).waiting, 2);
    await (await lab.session.client.speak()).close();
  });

  it("goes on reading while the server blocks publishers, and after a queue was refused", async () => {
    await using lab = await openLab(server);
    await server.ctl("set_vm_memory_high_watermark", "0.00001");
    try {
      producer.model.once("blocked", () => {});
      assert.equal((await lab.read({ queue: "mails" })).waiting, 2);
      assert.equal((await lab.problem({ queue: "none" })).kind, "missing");
      assert.equal((await lab.read({ queue: "mails" })).waiting, 2);
      assert.equal((await refusal(settingsFor(server, { username: "nobody", password: "x" }))).kind, "auth");
    } finally {
      await server.ctl("set_vm_memory_high_watermark", "0.4");
    }
  });

  it("after a restart does not take statistics that are not there for idleness", async () => {
    await producer.make("kept", { arguments: { "x-queue-type": "quorum" } });
    await producer.put("kept", 3, { persistent: true });
    const lab = await openLab(server);
    await lab.read({ queue: "kept" });
    producer.destroy();
    await server.restart({ inOrder: true });
    assert.ok(["unreachable", "timeout"].includes((await lab.session.lost).kind));
    const openedAt = monotonicMs();
    await using again = await openLab(server);
    await again.reading("all is known again", { queue: "kept" }, ({ waiting, running, sampledAt }) => {
      const old = sampledAt < openedAt;
      assert.ok(waiting === 3 || old, "never zero as of now");
      return waiting === 3 && running === 0;
    });
    producer = await rabbitClient(server.url);
  });
});

describe("RabbitMQ behind TLS", { skip }, () => {
  it("is trusted by its certificate, takes the client's one for a login, and tells the management API the same way", async (t) => {
    const certs = await makeCerts();
    if (!certs) return t.skip("openssl is not installed");
    await using _certs = certs;
    const { caFile, certFile, keyFile, otherCaFile } = certs;
    const files = (prefix: string) => [
      `${prefix}.cacertfile = ${caFile}`,
      `${prefix}.certfile = ${certFile}`,
      `${prefix}.keyfile = ${keyFile}`,
    ];
    await using server = await startRabbit({
      tls: true,
      plugins: ["rabbitmq_auth_mechanism_ssl"],
      config: [
        ...files("ssl_options"),
        "ssl_options.verify = verify_peer",
        "ssl_options.fail_if_no_peer_cert = false",
        "auth_mechanisms.1 = PLAIN",
        "auth_mechanisms.2 = EXTERNAL",
        "ssl_cert_login_from = common_name",
        ...files("management.ssl"),
      ],
    });
    const settings = (tls: object, more: object = {}) => settingsFor(server, { tls, ...more });
    await using lab = await openLab(server, { tls: { caFile } });
    assert.equal((await lab.problem({ queue: "none" })).kind, "missing", "both APIs answer");
    await using _named = await openLab(server, { tls: { caFile, serverName: "localhost" } });
    for (const wrong of [{}, { caFile: otherCaFile }, { caFile, serverName: "other.example" }, { caFile: "/no/such/file" }]) {
      const { kind, message } = await refusal(settings(wrong));
      assert.equal(kind, "tls", message);
    }
    const external = settings({ caFile, certFile, keyFile });
    assert.equal((await refusal(external)).kind, "auth", "nobody of the certificate's name is there");
    const plain = settingsFor(server, { tls: { caFile }, username: "guest", password: "guest" });
    (await rabbitBroker.open(plain, soon())).destroy();
    await server.api("PUT", "users/localhost", { password_hash: "", tags: "" });
    await server.api("PUT", "permissions/%2F/localhost", { configure: "^$", write: "^$", read: "^$" });
    (await rabbitBroker.open(external, soon())).destroy();
  });
});
