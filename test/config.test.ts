import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, readConfig } from "../src/config.ts";

test("without anything set, Worktide listens on loopback and tells what changes", () => {
  assert.deepEqual(readConfig({}), {
    listen: { host: "127.0.0.1", port: 8484 },
    state: undefined,
    logLevel: "info",
    logFormat: undefined,
    url: undefined,
  });
});

test("a flag counts before the environment, and an empty variable counts as none", () => {
  const config = readConfig(
    { WORKTIDE_LISTEN: "0.0.0.0:1", WORKTIDE_LOG_LEVEL: "", WORKTIDE_STATE: "/var/lib/w" },
    { listen: "[::1]:0" },
  );
  assert.deepEqual(config.listen, { host: "::1", port: 0 });
  assert.equal(config.logLevel, "info");
  assert.equal(config.state, "/var/lib/w");
});

test("a port alone means loopback", () => {
  assert.deepEqual(readConfig({ WORKTIDE_LISTEN: "9000" }).listen, { host: "127.0.0.1", port: 9000 });
});

test("every wrong setting is named at once, with its source and what it must be", () => {
  const wrong = () => readConfig({ WORKTIDE_LISTEN: "here", WORKTIDE_URL: "redis://u:secret@h" }, { logLevel: "loud" });
  assert.throws(wrong, (error) => {
    assert.ok(error instanceof ConfigError);
    assert.deepEqual(error.message.split("\n"), [
      "WORKTIDE_LISTEN must be host:port such as '127.0.0.1:8484', or a port; found 'here'",
      "--log-level must be one of 'error', 'warn', 'info', 'debug'; found 'loud'",
      "WORKTIDE_URL must be an http address without a login such as 'http://127.0.0.1:8484'; found 'redis://***@h'",
    ]);
    return true;
  });
  for (const url of ["http://u:secret@h", "http://secret@h/x", "https://:secret@h:1/x@y"]) {
    assert.throws(
      () => readConfig({}, { url }),
      (error: Error) => /^--url must be .* without a login/.test(error.message) && !/:secret/.test(error.message),
      url,
    );
  }
  assert.equal(readConfig({}, { url: "http://h/a@b" }).url, "http://h/a@b");
  assert.throws(() => readConfig({ WORKTIDE_LISTEN: "127.0.0.1:70000" }), ConfigError);
});
