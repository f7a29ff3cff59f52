import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { external } from "../../scalers/external.ts";
import { externalBroker } from "../../src/brokers/external.ts";
import type { ExternalReader } from "../../src/brokers/external-client.ts";
import { type ScalerOptions, startScaler, type TestScaler } from "../support/external-scaler.ts";
import { startProxy } from "../support/proxy.ts";
import { makeCerts, type TestCerts } from "../support/redis-topologies.ts";
import { openScalerLab, problemOf, soon } from "../support/scaler-lab.ts";
import { issueCert } from "../support/tls-proxy.ts";
import { waitFor } from "../support/wait.ts";

const mails = { metadata: { queue: "mails" } };
const whole = { ...mails, contract: "worktide" };
const settingsOf = (address: string, more: object = {}) => ({ ...externalBroker.settings.parse({ address }), ...more });
const labOf = (address: string, more: object = {}) => openScalerLab(external, externalBroker, settingsOf(address, more));

describe("a scaler in another process", () => {
  let scaler: TestScaler;
  before(async () => {
    scaler = await startScaler();
    await scaler.tell("put", { queue: "mails", jobs: 3 });
  });
  after(() => scaler[Symbol.asyncDispose]());

  it("that refuses or cannot tells nothing, in either contract, and never a secret; and is back by itself", async () => {
    const metadata = [{ name: "apiKey", value: "s3cr3t-key" }];
    await using lab = await labOf(scaler.address, { metadata });
    for (const query of [mails, whole]) {
      for (const [status, kind] of [
        [14, "unreachable"],
        [4, "timeout"],
        [16, "auth"],
        [7, "auth"],
      ] as const) {
        await scaler.tell("answer", { status });
        const problem = await problemOf(lab.outcomes(query));
        assert.equal(problem.kind, kind, problem.message);
        assert.doesNotMatch(problem.message, /s3cr3t/);
      }
      await scaler.tell("answer", {});
      assert.equal((await lab.read(query)).waiting, 3);
    }
    for (const [status, kind] of [
      [2, "invalid"],
      [5, "missing"],
      [8, "limit"],
      [13, "invalid"],
    ] as const) {
      await scaler.tell("answer", { status });
      const problem = await lab.problem(mails);
      assert.equal(problem.kind, kind);
      assert.doesNotMatch(problem.message, /s3cr3t/);
    }
    await scaler.tell("answer", {});
  });

  it("is dialled once for each attempt: what gRPC has given up never dials by itself afterwards, and holds no connection", async () => {
    await using proxy = await startProxy(() => scaler.port);
    await proxy.set({ kind: "reset" });
    const attempts = 3;
    for (let n = 0; n < attempts; n++) await problemOf(labOf(`127.0.0.1:${proxy.port}`));
    await proxy.set({ kind: "pass" });
    await pause(1500); // gRPC's own second, and a fifth of it
    assert.deepEqual([proxy.dials(), proxy.open()], [attempts, 0]);
  });

  it("written for KEDA: active counts as one job at least, inactive as none, and no number is no zero", async () => {
    await using lab = await labOf(scaler.address);
    const query = { metadata: { queue: "odd" } };
    for (const [value, waiting] of [
      [0.25, 1],
      [7, 7],
      [0, 0],
    ] as const) {
      await scaler.tell("value", { queue: "odd", value });
      assert.equal((await lab.read(query)).waiting, waiting);
    }
    await scaler.tell("value", { queue: "odd", value: -3 });
    assert.match((await lab.problem(query)).message, /tells the value -3/);
  });

  it("is told what the connection says, whatever the trigger says of the same key: a trigger turns no credential elsewhere", async () => {
    await using lab = await labOf(scaler.address, { metadata: [{ name: "queue", value: "mails" }] });
    const other = { metadata: { queue: "elsewhere" } };
    assert.equal((await lab.read(other)).waiting, 3);
    assert.equal((await lab.read({ ...other, contract: "worktide" })).waiting, 3);
  });

  it("is asked for the name of its metric once, and told what KEDA would tell it", async () => {
    await using lab = await labOf(scaler.address);
    await scaler.tell("calls");
    const query = external.query.parse(mails);
    for (let round = 0; round < 3; round++) await external.read(lab.session.client as ExternalReader, [query as never], soon());
    assert.deepEqual(await scaler.tell("calls"), { IsActive: 3, GetMetricSpec: 1, GetMetrics: 3 });
    await lab.outcomes(...Array.from({ length: 500 }, () => whole));
    assert.deepEqual(await scaler.tell("calls"), { Read: 1 });
  });

  it("that does not speak the contract says so", async () => {
    await using old = await startScaler({ contracts: ["keda"] });
    await using lab = await labOf(old.address);
    const problem = await problemOf(lab.outcomes(whole));
    assert.equal(problem.kind, "invalid");
    assert.match(problem.message, /UNIMPLEMENTED/);
  });

  it("whose stream breaks is listened to again", async () => {
    await using own = await startScaler();
    await using proxy = await startProxy(() => own.port);
    await using lab = await labOf(`127.0.0.1:${proxy.port}`);
    let hints = 0;
    const client = lab.session.client as ExternalReader;
    using _hearing = external.wake?.(client, external.query.parse(mails) as never, () => hints++);
    const heard = async () => {
      const before = hints;
      await waitFor("a hint", async () => {
        await own.tell("put", { queue: "mails", jobs: 1 });
        return hints > before;
      });
    };
    await heard();
    const { epoch } = await lab.read(whole);
    proxy.cut();
    await waitFor("the connection to be back by itself, and to be known as another one", async () => {
      const [result] = await lab.outcomes(whole).catch(() => []);
      return result !== undefined && "reading" in result && result.reading.epoch !== epoch;
    });
    await heard();
  });

  it("that is silent is given up in time, and lost connections are not those of the next session", async () => {
    await using proxy = await startProxy(() => scaler.port);
    await using lab = await labOf(`127.0.0.1:${proxy.port}`);
    await lab.read(mails);
    await proxy.set({ kind: "freeze" });
    assert.equal((await problemOf(lab.outcomes(mails))).kind, "timeout");
    await using next = await labOf(`127.0.0.1:${proxy.port}`);
    assert.equal((await next.read(mails)).waiting, 3, "a new connection, though the old one is still there");
    await proxy.set({ kind: "mute" });
    assert.equal((await problemOf(labOf(`127.0.0.1:${proxy.port}`))).kind, "timeout");
  });

  it("that is another service altogether is not let pass for one", async () => {
    const { createServer } = await import("node:http");
    const { listening } = await import("../support/listening.ts");
    const server = await listening(createServer((_, response) => response.end("hello")));
    const { port } = server.address() as { port: number };
    assert.equal((await problemOf(labOf(`127.0.0.1:${port}`))).kind, "unreachable");
    server.close();
  });
});

describe("a scaler behind TLS", () => {
  let certs: TestCerts | undefined;
  before(async () => {
    certs = await makeCerts();
  });
  after(() => certs?.[Symbol.asyncDispose]());
  const withTls = async (more: Partial<NonNullable<ScalerOptions["tls"]>> = {}) => {
    assert.ok(certs, "openssl is needed");
    const scaler = await startScaler({ tls: { cert: certs.certFile, key: certs.keyFile, ...more } });
    await scaler.tell("put", { queue: "mails", jobs: 3 });
    return { scaler, certs };
  };

  it("is trusted by its authority and name, or not at all", async () => {
    const { scaler, certs } = await withTls();
    await using _ = scaler;
    const tls = { caFile: certs.caFile };
    await using lab = await labOf(scaler.address, { tls, token: "t0ken" });
    assert.equal((await lab.read(mails)).waiting, 3);
    for (const wrong of [{}, { caFile: certs.otherCaFile }, { ...tls, serverName: "elsewhere.shop" }, { caFile: "/none" }]) {
      assert.equal((await problemOf(labOf(scaler.address, { tls: wrong }))).kind, "tls", JSON.stringify(wrong));
    }
    await using trusting = await labOf(scaler.address, { tls: { insecureSkipVerify: true } });
    assert.equal((await trusting.read(mails)).waiting, 3);
    assert.equal((await problemOf(labOf(scaler.address))).kind, "unreachable", "without TLS");
  });

  it("may ask for a certificate of ours", async () => {
    assert.ok(certs);
    const { scaler } = await withTls({ clientCa: certs.caFile });
    await using _ = scaler;
    const [own, stranger] = await Promise.all([issueCert(certs), issueCert(certs, { by: "other" })]);
    const tls = { caFile: certs.caFile };
    await using lab = await labOf(scaler.address, { tls: { ...tls, ...own } });
    assert.equal((await lab.read(mails)).waiting, 3);
    for (const wrong of [{}, stranger]) {
      const { kind } = await problemOf(labOf(scaler.address, { tls: { ...tls, ...wrong } }));
      assert.ok(["tls", "unreachable"].includes(kind), kind);
    }
  });
});
