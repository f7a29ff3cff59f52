import assert from "node:assert/strict";
import { createVerify, generateKeyPairSync } from "node:crypto";
import { after, before, describe, it } from "node:test";
import type { Result } from "../../src/core/contract.ts";
import { googleNames, podToken, startGoogle, type TestGoogle } from "../support/google.ts";
import { makeCerts, type TestCerts } from "../support/redis-topologies.ts";

const certs = await makeCerts(googleNames);
const settings = { project: "shop-prod", probeOwner: "worktide" };

describe("who Worktide is to Google", { skip: certs === undefined && "openssl is not installed" }, () => {
  let google: TestGoogle;
  before(async () => {
    google = await startGoogle(certs as TestCerts);
    google.monitoring.count("mails", { undelivered: 7 });
  });
  after(async () => {
    await google[Symbol.asyncDispose]();
    await certs?.[Symbol.asyncDispose]();
  });
  /** What a reading fails as while the metadata server answers so. */
  const failure = async (status: number) => {
    google.status = status;
    const result = await google.read(settings, "mails");
    google.status = undefined;
    return "kind" in result ? result.kind : JSON.stringify(result);
  };
  const waiting = (result: Result | object) => ("reading" in result ? result.reading.waiting : result);

  it("is what the metadata server of its pod or machine says (Workload Identity), where no key is given", async () => {
    assert.equal(waiting(await google.read(settings, "mails")), 7);
    const asked = google.metadata.find((path) => path.includes("/token")) ?? assert.fail(google.metadata.join());
    assert.match(asked, /\/service-accounts\/default\/token/);
    assert.deepEqual(new Set(google.monitoring.logins), new Set([`Bearer ${podToken}`]));
  });

  it("is nobody where no service account is bound: said as a matter of rights", async () => {
    assert.equal(await failure(403), "auth");
  });

  it("is not known while the metadata server cannot answer, which is no matter of rights", async () => {
    assert.equal(await failure(503), "unreachable");
  });

  it("is the service account of the key file, where there is one, signed with its key", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const email = "worktide@shop-prod.iam.gserviceaccount.com";
    const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const credentials = JSON.stringify({ type: "service_account", client_email: email, private_key: key });
    const [asked, before] = [google.metadata.length, google.monitoring.logins.length];
    assert.equal(waiting(await google.read({ ...settings, credentials }, "mails")), 7);
    const [login, ...others] = new Set(google.monitoring.logins.slice(before));
    assert.deepEqual(others, []);
    const [head = "", body = "", signature = ""] = login?.replace("Bearer ", "").split(".") ?? [];
    assert.ok(createVerify("RSA-SHA256").update(`${head}.${body}`).verify(publicKey, signature, "base64url"), login);
    const { iss, scope, exp } = JSON.parse(Buffer.from(body, "base64url").toString());
    assert.deepEqual([iss, scope], [email, "https://www.googleapis.com/auth/cloud-platform"]);
    assert.ok(exp * 1000 > Date.now());
    assert.deepEqual(google.metadata.slice(asked), [], "the pod's own is not asked for beside it");
  });
});
