import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { startMonitoring, type TestMonitoring } from "../support/monitoring.ts";
import { startProxy } from "../support/proxy.ts";
import { openLab, type PubSubClient, pubSubClient, settingsFor } from "../support/pubsub.ts";
import { skipWithoutEmulator, startEmulator, type TestEmulator } from "../support/pubsub-emulator.ts";
import { waitFor } from "../support/wait.ts";

describe("subscriptions of the Pub/Sub emulator", { skip: await skipWithoutEmulator() }, () => {
  let emulator: TestEmulator;
  let monitoring: TestMonitoring;
  let client: PubSubClient;
  before(async () => {
    emulator = await startEmulator();
    monitoring = await startMonitoring();
    client = pubSubClient(emulator.port, emulator.host);
  });
  after(async () => {
    await client[Symbol.asyncDispose]();
    await monitoring[Symbol.asyncDispose]();
    await emulator[Symbol.asyncDispose]();
  });
  const lab = (change: object = {}) =>
    openLab(settingsFor({ emulator: emulator.port, monitoring: monitoring.port }, { probeOwner: "tests", ...change }));
  const blindLab = () => openLab(settingsFor({ emulator: emulator.port }));
  const probesOf = (owner: string) => async () => {
    const [all] = await client.subscriber.listSubscriptions({ project: "projects/worktide-test" });
    return all.filter(({ labels }) => labels?.["worktide-probe"] === owner);
  };

  it("that are missing are a problem, whatever Cloud Monitoring remembers of them", async () => {
    await using own = await lab();
    monitoring.count("gone", { undelivered: 0 });
    assert.deepEqual(await own.problem({ subscription: "gone" }), {
      kind: "missing",
      message: "project worktide-test has no subscription 'gone'",
    });
  });

  it("that push their messages are no queue of workers", async () => {
    await client.make("pushed", { pushConfig: { pushEndpoint: "http://127.0.0.1:1/" } });
    monitoring.count("pushed", { undelivered: 3 });
    await using own = await lab();
    const { kind, message } = await own.problem({ subscription: "pushed" });
    assert.equal(kind, "invalid");
    assert.match(message, /'pushed' pushes its messages/);
  });

  it("are looked at for settings that a pool which sleeps will suffer from", async () => {
    await client.make("dead-letters");
    const deadLetterPolicy = { deadLetterTopic: client.topicOf("dead-letters"), maxDeliveryAttempts: 5 };
    await client.make("good", { deadLetterPolicy, ackDeadlineSeconds: 600 });
    const expirationPolicy = { ttl: { seconds: 31 * 86_400 } };
    await client.make("bad", { enableExactlyOnceDelivery: true, ackDeadlineSeconds: 10, expirationPolicy });
    for (const name of ["good", "bad"]) monitoring.count(name, { undelivered: 1 });
    await using own = await lab();
    const [good, bad] = [await own.read({ subscription: "good" }), await own.read({ subscription: "bad" })];
    assert.deepEqual([good.advice, good.leaseMs], [undefined, 600_000]);
    assert.equal(bad.advice?.length, 3);
    const said = bad.advice?.join("\n") ?? "";
    for (const word of [/no dead letter topic/, /exactly once .* of 10 s/, /after 31 days without a subscriber/]) {
      assert.match(said, word);
    }
  });

  it("are all looked at by one list where they are many", async () => {
    const names = Array.from({ length: 40 }, (_, i) => `many-${i}`);
    await Promise.all(names.slice(0, 30).map((name) => client.make(name)));
    for (const name of names) monitoring.count(name, { undelivered: 1 });
    await using own = await lab();
    const found = await own.outcomes(...names.map((subscription) => ({ subscription })));
    assert.equal(found.filter((result) => "reading" in result).length, 30);
    assert.ok(found.slice(30).every((result) => "problem" in result && result.problem.kind === "missing"));
  });

  it("have no backlog without Cloud Monitoring: that is said, and is not zero", async () => {
    await client.make("plain");
    await using own = await blindLab();
    const { kind, message } = await own.problem({ subscription: "plain" });
    assert.equal(kind, "missing");
    assert.match(message, /the Pub\/Sub emulator counts no backlog/);
  });

  it("wake by a probe, which counts what nobody else counts yet", async () => {
    await client.make("sleepy");
    await using own = await blindLab();
    const query = { subscription: "sleepy", wakeFromZero: true };
    let hints = 0;
    using _ = own.listen(query, () => hints++);
    await waitFor("the probe", async () => (await client.probes()).length > 0);
    await client.publish("sleepy", 3);
    await waitFor("three messages", async () => {
      const [result] = await own.outcomes(query);
      return result !== undefined && "reading" in result && result.reading.waiting === 3;
    });
    assert.ok(hints > 0);
    const [pulled] = await client.subscriber.pull({ subscription: client.nameOf("sleepy"), maxMessages: 10 });
    assert.equal(pulled.receivedMessages?.length, 3, "the workers' subscription has them all");
  });

  it("stay counted until Cloud Monitoring counts them: a late zero does not put a pool to sleep again", async () => {
    await client.make("late");
    await using own = await lab();
    const query = { subscription: "late", wakeFromZero: true };
    const before = Date.now();
    monitoring.count("late", { undelivered: 0, at: before - 120_000 });
    let hints = 0;
    using _ = own.listen(query, () => hints++);
    await waitFor("the probe", async () => (await probesOf("tests")()).length > 0);
    assert.equal((await own.read(query)).waiting, 0);
    const asked = monitoring.requests.length;
    await client.publish("late", 2);
    await waitFor("the hint", () => hints > 0);
    await waitFor("both", async () => (await own.read(query)).waiting === 2);
    monitoring.count("late", { undelivered: 0, at: before - 60_000 });
    assert.equal((await own.read(query)).waiting, 2, "the number of a minute ago cannot know");
    assert.ok(monitoring.requests.length > asked, "asked again, for no news of the probe was behind it");
    monitoring.count("late", { undelivered: 1, at: Date.now() });
    assert.equal((await own.read(query)).waiting, 2, "nor does one of the moment itself");
    monitoring.count("late", { undelivered: 1, at: Date.now() + 61_000 });
    assert.equal((await own.read(query)).waiting, 2, "a point from the future is none");
  });

  it("are woken without asking Cloud Monitoring, however slow that is", async () => {
    await client.make("slow");
    await using own = await lab();
    const query = { subscription: "slow", wakeFromZero: true };
    monitoring.count("slow", { undelivered: 0, at: Date.now() - 100_000 });
    await own.read(query);
    let hints = 0;
    using _ = own.listen(query, () => hints++);
    const probes = probesOf("tests");
    await waitFor("the probe", async () => (await probes()).length > 0);
    monitoring.fail({ hang: true });
    try {
      await client.publish("slow", 1);
      await waitFor("the hint", () => hints > 0);
      assert.equal((await own.read(query)).waiting, 1);
    } finally {
      monitoring.fail(undefined);
    }
  });

  // The emulator never forgets a stream whose connection was cut, and gives each message to any stream, that one too (measured:
  // what it got comes again after its lease of 10 s, or a multiple of it). So it is published until the living one hears.
  it("are heard of again by themselves after the way to Pub/Sub was cut, which is said", async () => {
    await client.make("cut-off");
    await using proxy = await startProxy(() => emulator.port);
    monitoring.count("cut-off", { undelivered: 0, at: Date.now() - 60_000 });
    await using own = await openLab(settingsFor({ emulator: proxy.port, monitoring: monitoring.port }, { probeOwner: "cut" }));
    const query = { subscription: "cut-off", wakeFromZero: true };
    let hints = 0;
    using _ = own.listen(query, () => hints++);
    await waitFor("the probe", async () => (await probesOf("cut")()).length === 1);
    await client.publish("cut-off", 1);
    await waitFor("a first hint", () => hints === 1);
    const advice = async () => ((await own.read(query)).advice ?? []).join();
    await proxy.set({ kind: "refuse" });
    proxy.cut();
    await waitFor("the reason", async () => /probe subscription fails/.test(await advice()));
    await proxy.set({ kind: "pass" });
    await waitFor("a hint", async () => {
      await client.publish("cut-off", 1);
      return hints > 1;
    });
    assert.ok(((await own.read(query)).waiting ?? 0) >= 2);
    assert.doesNotMatch(await advice(), /probe subscription fails/);
  });

  it("lose their probe when nobody listens any more, and keep it over a reload", async () => {
    await client.make("reloaded");
    await using own = await lab({ probeOwner: "reload" });
    const probes = probesOf("reload");
    const first = own.listen({ subscription: "reloaded", wakeFromZero: true }, () => {});
    await waitFor("the probe", async () => (await probes()).length === 1);
    const second = own.listen({ subscription: "reloaded", wakeFromZero: true }, () => {});
    first[Symbol.dispose]();
    assert.equal((await probes()).length, 1);
    second[Symbol.dispose]();
    await waitFor("no probe", async () => (await probes()).length === 0);
  });

  it("lose their probe when the connection is closed in order", async () => {
    await client.make("closed");
    const own = await lab({ probeOwner: "closing" });
    own.listen({ subscription: "closed", wakeFromZero: true }, () => {});
    await waitFor("the probe", async () => (await probesOf("closing")()).length === 1);
    await own[Symbol.asyncDispose]();
    assert.equal((await probesOf("closing")()).length, 0);
  });

  it("have what a crash left behind removed at the next start, their own and no others'", async () => {
    const probes = probesOf("crashed");
    for (const id of ["crashed-1", "crashed-2", "crashed-3"]) await client.make(id);
    const gone = await lab({ probeOwner: "crashed" });
    for (const subscription of ["crashed-1", "crashed-2"]) gone.listen({ subscription, wakeFromZero: true }, () => {});
    const other = await lab({ probeOwner: "neighbour" });
    other.listen({ subscription: "crashed-3", wakeFromZero: true }, () => {});
    await waitFor("all probes", async () => (await probes()).length === 2 && (await probesOf("neighbour")()).length === 1);
    gone.session.destroy();
    assert.equal((await probes()).length, 2, "a crash removes nothing");
    await using own = await lab({ probeOwner: "crashed" });
    using _ = own.listen({ subscription: "crashed-1", wakeFromZero: true }, () => {});
    await waitFor("one of them to go", async () => (await probes()).length === 1);
    assert.equal((await probesOf("neighbour")()).length, 1);
    await other[Symbol.asyncDispose]();
  });

  it("say why they are not woken, while a probe cannot be made", async () => {
    await client.make("orphan");
    monitoring.count("orphan", { undelivered: 0 });
    await client.publisher.deleteTopic({ topic: client.topicOf("orphan") });
    await using own = await lab();
    const query = { subscription: "orphan", wakeFromZero: true };
    using _ = own.listen(query, () => {});
    const advice = async () => ((await own.read(query)).advice ?? []).join("\n");
    await waitFor("the reason", async () => /probe subscription fails/.test(await advice()));
    assert.match(await advice(), /its topic was deleted/);
  });

  it("keep no probe that was asked for and let go of while it was being made", async () => {
    await client.make("hasty");
    await using own = await lab({ probeOwner: "hasty" });
    for (let round = 0; round < 5; round++) {
      own.listen({ subscription: "hasty", wakeFromZero: true }, () => {})[Symbol.dispose]();
    }
    await own[Symbol.asyncDispose]();
    assert.equal((await probesOf("hasty")()).length, 0);
  });
});
