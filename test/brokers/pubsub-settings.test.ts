import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { resultOf } from "../../scalers/gcpPubSub/reading.ts";
import { pubSubBroker } from "../../src/brokers/pubsub.ts";
import { googleProblem } from "../../src/brokers/pubsub-problem.ts";
import { parseKeyFile, pubSubSettings } from "../../src/brokers/pubsub-settings.ts";
import type { Problem } from "../../src/core/contract.ts";

const canary = "kanarienvogel-53";
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const rulesOf = (settings: unknown) => {
  const parsed = pubSubSettings.safeParse(settings);
  return parsed.success ? [] : parsed.error.issues.map(({ path }) => path.join("."));
};

describe("the settings of Pub/Sub", () => {
  it("name a project, and what an emulator goes with", () => {
    for (const good of [
      { project: "shop-prod" },
      { project: "example.com:shop" },
      { project: "shop-prod", credentialsFrom: { file: "/run/secrets/google.json" } },
      { project: "shop", emulator: "localhost:8085", monitoringEmulator: "localhost:8086" },
    ]) {
      assert.deepEqual(rulesOf(good), [], JSON.stringify(good));
    }
    assert.deepEqual(rulesOf({}), ["project"]);
    assert.deepEqual(rulesOf({ project: "Shop" }), ["project"]);
    assert.deepEqual(rulesOf({ project: "projects/shop" }), ["project"]);
    assert.deepEqual(rulesOf({ project: "shop", emulator: "localhost" }), ["emulator"]);
    assert.deepEqual(rulesOf({ project: "shop", monitoringEmulator: "localhost:1" }), ["monitoringEmulator"]);
    const both = { project: "shop", emulator: "localhost:1", credentialsFrom: { env: "KEY" } };
    assert.deepEqual(rulesOf(both), ["credentialsFrom"], "no credential goes to an emulator");
  });

  it("take of a key file who it is of and its key, and nothing that leads elsewhere", () => {
    const email = "a@shop.iam.gserviceaccount.com";
    const file = { type: "service_account", client_email: email, private_key: key };
    const elsewhere = { token_uri: "http://evil.example/token", universe_domain: "evil.example" };
    assert.deepEqual(parseKeyFile(JSON.stringify({ ...file, ...elsewhere })), { client_email: email, private_key: key });
    for (const bad of [
      canary,
      "null",
      JSON.stringify({ ...file, type: "external_account", credential_source: { executable: { command: canary } } }),
      JSON.stringify({ ...file, private_key: canary }),
      JSON.stringify({ private_key: key }),
    ]) {
      assert.throws(
        () => parseKeyFile(bad),
        (error: Error & { problem?: Problem }) =>
          error.problem?.kind === "auth" && !error.message.includes(canary) && !error.message.includes("BEGIN"),
      );
    }
  });

  it("with a key that is none are turned away as a credential, which no message shows", async () => {
    const credentials = JSON.stringify({
      type: "service_account",
      client_email: "a@b.iam.gserviceaccount.com",
      private_key: canary,
    });
    const opening = pubSubBroker.open({ project: "shop-prod", probeOwner: "worktide", credentials }, AbortSignal.timeout(60_000));
    await assert.rejects(opening, (error: Error & { problem?: Problem }) => {
      assert.equal(error.problem?.kind, "auth", error.message);
      assert.ok(!error.message.includes(canary), error.message);
      return true;
    });
  });

  it("of a subscription that is detached make it a problem, whatever is counted: nothing comes any more", () => {
    const settings = {
      topic: "t",
      filter: "",
      detached: true,
      pushed: false,
      ackDeadlineMs: 10_000,
      deadLetter: true,
      exactlyOnce: false,
    };
    const frame = { id: "mails", epoch: "e", now: { wall: Date.now(), monotonic: 0 } };
    const result = resultOf({ settings, gauge: { undelivered: 3, at: Date.now(), parts: [] } }, frame);
    assert.ok("problem" in result);
    assert.equal(result.problem.kind, "missing");
    assert.match(result.problem.message, /^subscription 'mails' is detached from its topic/);
  });

  it("say where they lead", () => {
    const { address } = pubSubBroker;
    const settings = { project: "shop", probeOwner: "worktide" };
    assert.equal(address({ ...settings, emulator: "localhost:8085" }), "Pub/Sub of project shop at the emulator localhost:8085");
  });
});

describe("an error of Google's clients", () => {
  const error = (code: number | string, message: string) => Object.assign(new Error(message), { code });

  it("is told by its kind", () => {
    const kinds: readonly (readonly [Error, Problem["kind"]])[] = [
      [error(4, "4 DEADLINE_EXCEEDED: Deadline exceeded"), "timeout"],
      [error(14, "14 UNAVAILABLE: No connection established"), "unreachable"],
      [error(7, "7 PERMISSION_DENIED: Permission monitoring.timeSeries.list denied"), "auth"],
      [error(16, "16 UNAUTHENTICATED: Request had invalid authentication credentials"), "auth"],
      [error(8, "8 RESOURCE_EXHAUSTED: Quota exceeded"), "limit"],
      [error(5, "5 NOT_FOUND: Resource not found"), "missing"],
      [error(3, "3 INVALID_ARGUMENT: bad filter"), "invalid"],
      [error("ENOTFOUND", "getaddrinfo ENOTFOUND monitoring.googleapis.com"), "unreachable"],
      [new Error("Could not load the default credentials. Browse to …"), "auth"],
      [
        new Error("Could not refresh access token: A Forbidden error was returned while attempting to retrieve an access token"),
        "auth",
      ],
      [new Error("Could not refresh access token: connect ECONNREFUSED 169.254.169.254:80"), "unreachable"],
      [error(14, "14 UNAVAILABLE: Getting metadata from plugin failed with error: invalid_grant: Invalid JWT"), "auth"],
    ];
    for (const [from, kind] of kinds) assert.equal(googleProblem(from).kind, kind, from.message);
  });

  it("is one clause without gRPC's number, and without the key", () => {
    const said = googleProblem(error(7, "7 PERMISSION_DENIED: Permission denied on resource."));
    assert.equal(said.message, "PERMISSION_DENIED: Permission denied on resource.");
    const lines = key.split("\n").filter((line) => line !== "");
    for (const told of [key, lines.slice(0, 3).join("\n"), JSON.stringify(lines)]) {
      const { message } = googleProblem(new Error(`cannot use ${told}`), [key]);
      assert.ok(!lines.some((line) => message.includes(line)), message);
    }
  });
});

describe("Google's clients", () => {
  it("are loaded only when somebody dials", async () => {
    const script = `
      import { createRequire } from "node:module";
      const { brokers } = await import("./src/brokers/brokers.ts");
      await import("./scalers/index.ts");
      const { cache } = createRequire(import.meta.url);
      const heavy = () => Object.keys(cache).some((file) => /node_modules.(@google-cloud|google-gax)/.test(file));
      const before = heavy();
      const broker = brokers.find(({ type }) => type === "gcpPubSub");
      await broker.open({ project: "shop-prod", emulator: "127.0.0.1:1", probeOwner: "tests" }, AbortSignal.timeout(60_000)).catch(() => {});
      console.log(before, heavy());
      process.exit();`;
    const root = join(import.meta.dirname, "../..");
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { cwd: root });
    assert.equal(stdout.trim(), "false true");
  });
});
