import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { resolveSecrets, type SecretReaders } from "../../src/api/secrets.ts";
import { BrokerError } from "../../src/core/contract.ts";

const signal = new AbortController().signal;
const missing = () => Promise.reject(Object.assign(new Error("ENOENT: no such file"), { code: "ENOENT" }));

const readers = (over: Partial<SecretReaders> = {}): SecretReaders => ({
  env: (name) => ({ REDIS_PASSWORD: "hunter2", EMPTY: "" })[name],
  file: (path) => (path === "/run/pw" ? Promise.resolve("s3cret\r\n") : missing()),
  ...over,
});

const resolve = (settings: unknown, over?: Partial<SecretReaders>) =>
  resolveSecrets(settings, { ...readers(over), namespace: "shop" }, signal);

/** The message of the `auth` problem that resolving these settings ends with. */
async function refusal(settings: unknown, over?: Partial<SecretReaders>): Promise<string> {
  try {
    await resolve(settings, over);
  } catch (error) {
    assert.ok(error instanceof BrokerError);
    assert.equal(error.problem.kind, "secret");
    return error.problem.message;
  }
  return assert.fail("resolved");
}

describe("secrets", () => {
  it("replace their references at every depth, and leave all else as it is", async () => {
    const settings = {
      url: "redis://h",
      passwordFrom: { env: "REDIS_PASSWORD" },
      sentinel: { nodes: ["a:1", "b:2"], passwordFrom: { file: "/run/pw" } },
      tls: {},
    };
    assert.deepEqual(await resolve(settings), {
      url: "redis://h",
      password: "hunter2",
      sentinel: { nodes: ["a:1", "b:2"], password: "s3cret" },
      tls: {},
    });
    assert.deepEqual(settings.passwordFrom, { env: "REDIS_PASSWORD" });
  });

  it("lose one line end at the end of a file, and no other character", async () => {
    const file = () => Promise.resolve(" a\nb \n\n");
    assert.deepEqual(await resolve({ passwordFrom: { file: "x" } }, { file }), { password: " a\nb \n" });
  });

  it("that are missing or empty are a refusal that names the place, never an empty password", async () => {
    assert.equal(await refusal({ passwordFrom: { env: "REDIS_PW" } }), "environment variable REDIS_PW is not set");
    assert.equal(await refusal({ passwordFrom: { env: "EMPTY" } }), "environment variable EMPTY is empty");
    assert.equal(await refusal({ passwordFrom: { file: "/nowhere" } }), "file /nowhere does not exist");
    assert.equal(await refusal({ urlFrom: { file: "redis://u:geheim@h" } }), "file redis://***@h does not exist");
    assert.equal(await refusal({ passwordFrom: { file: "/run/pw" } }, { file: async () => "\n" }), "file /run/pw is empty");
    const denied = () => Promise.reject(Object.assign(new Error("EACCES: s3cret"), { code: "EACCES" }));
    assert.equal(await refusal({ passwordFrom: { file: "/run/pw" } }, { file: denied }), "file /run/pw cannot be read (EACCES)");
  });

  it("of a cluster need a cluster, and their key must be there", async () => {
    const settings = { passwordFrom: { secretKeyRef: { name: "redis", key: "password" } } };
    assert.match(await refusal(settings), /^Secret 'redis', key 'password' can be read in a cluster only/);
    assert.equal(await refusal(settings, { key: async () => undefined }), "Secret 'redis', key 'password' does not exist");
    assert.equal(await refusal(settings, { key: async () => "" }), "Secret 'redis', key 'password' is empty");
    assert.deepEqual(await resolve(settings, { key: async (place) => Object.values(place).join("/") }), {
      password: "Secret/shop/redis/password",
    });
  });

  it("are read with the caller's signal, and its end is not taken for a missing file", async () => {
    const stop = new AbortController();
    const file = () => {
      stop.abort(new Error("too late"));
      return missing();
    };
    await assert.rejects(resolveSecrets({ passwordFrom: { file: "x" } }, readers({ file }), stop.signal), /too late/);
  });
});
