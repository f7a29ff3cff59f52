import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createRedactor } from "../../src/telemetry/redact.ts";

test("User and password of a URL go, whatever characters the password has", () => {
  const { redact } = createRedactor();
  const table = [
    ["redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"],
    ["redis://:s3cret@h/0", "redis://***@h/0"],
    ["at rediss://u:p@h:1 and amqp://a:b@c", "at rediss://***@h:1 and amqp://***@c"],
    ["redis://u:p@ss/w@h/0", "redis://***@h/0"],
    ['{"url":"redis://u:p@h"}', '{"url":"redis://***@h"}'],
    ["http://h/x?password=abc&a=1", "http://h/x?password=***&a=1"],
    ["\u001b[0mredis://u:p@h, REDIS_redis://u:p@h", "\u001b[0mredis://***@h, REDIS_redis://***@h"],
    [`${"x".repeat(40)}://u:p@h`, `${"x".repeat(40)}://***@h`],
    ["mail to a@b.example", "mail to a@b.example"],
  ] as const;
  for (const [text, expected] of table) assert.equal(redact(text), expected);
});

test("A kept secret occurs in no text, as it is, in JSON or in a URL, wherever it stands", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 4, maxLength: 40 }), fc.string(), fc.string(), (secret, before, after) => {
      const { keepSecret, redact } = createRedactor();
      keepSecret(secret);
      fc.pre(!"***".includes(secret) && !`${before}***${after}`.includes(secret));
      assert.ok(!redact(before + secret + after).includes(secret));
      const json = redact(JSON.stringify({ before, secret }));
      assert.ok(!json.includes(JSON.stringify(secret).slice(1, -1)) || JSON.stringify(before).includes(secret));
    }),
  );
});

test("A secret that begins with another one leaves no tail", () => {
  const { keepSecret, redact } = createRedactor();
  keepSecret("abcd");
  keepSecret("abcdefgh");
  assert.equal(redact("x abcdefgh y abcd"), "x *** y ***");
});

test("A secret too short to hide does not garble words", () => {
  const { keepSecret, redact } = createRedactor();
  keepSecret("");
  keepSecret("a");
  assert.equal(redact("a day at redis://a:a@h"), "a day at redis://***@h");
});

test("A long text without a URL is taken in linear time", () => {
  const { redact } = createRedactor();
  const text = "a.b-".repeat(250_000) + "redis://".repeat(100_000);
  const began = performance.now();
  redact(text);
  assert.ok(performance.now() - began < 20_000);
});

test("JSON stays JSON whatever a secret looks like", () => {
  const { keepSecret, redactJson } = createRedactor();
  for (const secret of ["true", "1234", '":1,', "name", '\\"x']) keepSecret(secret);
  const value = { name: "a 1234", n: 12345, yes: true, list: ['b":1,c', "true story"], deep: { url: "redis://u:p@h" } };
  assert.deepEqual(JSON.parse(redactJson(JSON.stringify(value))), {
    "***": "a ***",
    n: 12345,
    yes: true,
    list: ["b***c", "*** story"],
    deep: { url: "redis://***@h" },
  });
});

test("Of a URL that is a secret the password alone is hidden too, as it is written and as it is meant", () => {
  const { keepSecret, redact } = createRedactor();
  keepSecret("redis://worker:p%40ss:word@h:6379/0");
  assert.equal(redact("AUTH p@ss:word refused"), "AUTH *** refused");
  assert.equal(redact("at redis://worker:p%40ss:word@h:6379/0"), "at ***");
  keepSecret("worker:geheim@h:6379");
  keepSecret("redis:/worker:streng@h");
  assert.equal(redact("AUTH geheim, AUTH streng"), "AUTH ***, AUTH ***");
});
