import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, it, test } from "node:test";
import { Decoder } from "@redis/client/dist/lib/RESP/decoder.js";
import { createReplyBound } from "../../src/brokers/redis-bound.ts";
import { openLink } from "../../src/brokers/redis-link.ts";
import { BrokerError } from "../../src/core/contract.ts";
import { seedOf } from "../faults/support/seed.ts";

const limits = { values: 50, bytes: 200, line: 100 };

describe("a reply of Redis", () => {
  const see = (...pieces: readonly string[]) => {
    const bound = createReplyBound(limits);
    for (const piece of pieces) bound(Buffer.from(piece));
  };
  const refused = (why: RegExp, ...pieces: readonly string[]) =>
    assert.throws(
      () => see(...pieces),
      (error) => error instanceof BrokerError && error.problem.kind === "invalid" && why.test(error.message),
    );

  it("of any type and in any pieces passes", () => {
    const whole =
      "*3\r\n$5\r\na\r\nbc\r\n:-12\r\n*-1\r\n+OK\r\n-ERR no\r\n%1\r\n$1\r\nk\r\n~2\r\n#t\r\n_\r\n,1.5e3\r\n(123\r\n=7\r\ntxt:abc\r\n$-1\r\n$0\r\n\r\n!3\r\nERR\r\n>2\r\n+a\r\n+b\r\n";
    see(whole.repeat(10));
    see(...whole.repeat(10));
    for (let size = 2; size < 20; size++) see(...(whole.repeat(3).match(new RegExp(`[^]{1,${size}}`, "g")) ?? []));
  });

  it("that announces more than there is any use for is refused before it comes", () => {
    refused(/more than 50 values/, "*30000000\r\n");
    refused(/more than 50 values/, "*1\r\n".repeat(51));
    refused(/more than 50 values/, "*40\r\n:1\r\n", "%6\r\n");
    refused(/more than 0 MiB/, "$300000000\r\n");
    refused(/more than 0 MiB/, "*3\r\n", "$150\r\n", "x".repeat(150), "\r\n$60\r\n");
    refused(/not Redis' protocol/, "+", "x".repeat(60), "x".repeat(60));
  });

  it("that is none is refused, and none that its decoder reads in another way passes", () => {
    const odd = [
      "HTTP/1.1 400 Bad Request\r\n",
      "*x\r\n",
      "*:\r\n",
      "$+5\r\n",
      "$-2\r\n",
      "_x\r\n",
      "#tt\r\n",
      ":1x\r\n",
      "=3\r\ntxt\r\n",
      "+a\rb\r\n",
    ];
    for (const text of odd) refused(/not Redis' protocol/, text);
  });
});

test("What is passed to the decoder never makes it reserve more than is allowed, whatever comes", () => {
  const { seed, random } = seedOf();
  const hidden = [
    "",
    "+a\rX",
    "_X",
    "#tX",
    "$-2",
    "=1\r\n",
    ":1\rX",
    ",1\rX",
    "(1\rX",
    "$1\r\nabc",
    "*:\r\n",
    "~-1\r\n",
    "%-1\r\n",
    "!-3",
  ];
  const parts = [
    ...hidden.flatMap((before) => [`${before}*60\r\n`, `${before}~999999\r\n`]),
    "*",
    "$",
    "=",
    "9",
    "\r",
    "\n",
    "-",
  ];
  const good = ["*2\r\n", "$3\r\nabc\r\n", ":5\r\n", "+OK\r\n", "%1\r\n", "~1\r\n", "_\r\n", "=7\r\ntxt:abc\r\n", ">1\r\n"];
  const pick = (from: readonly string[]) => from[Math.floor(random() * from.length)] ?? "";
  const reserved: number[] = [];
  const Before = Array;
  globalThis.Array = new Proxy(Array, {
    construct(target, args) {
      if (typeof args[0] === "number") reserved.push(args[0]);
      return Reflect.construct(target, args);
    },
  });
  try {
    for (let round = 0; round < 20_000; round++) {
      const pieces = Before.from({ length: 12 }, () => Buffer.from(pick(random() < 0.8 ? good : parts)));
      const bound = createReplyBound(limits);
      const nothing = () => {};
      const decoder = new Decoder({ onReply: nothing, onErrorReply: nothing, onPush: nothing, getTypeMapping: () => ({}) });
      try {
        for (const piece of random() < 0.5 ? pieces : [Buffer.concat(pieces)]) {
          bound(piece);
          decoder.write(piece);
        }
      } catch {
        // Either refuses it.
      }
    }
  } finally {
    globalThis.Array = Before;
  }
  assert.ok(reserved.length > 10_000, "many were decoded");
  assert.ok(Math.max(...reserved) <= limits.values, `${Math.max(...reserved)} with WORKTIDE_TEST_SEED=${seed}`);
});

for (const [what, attack] of [
  ["announces tens of millions of values", (socket: Socket) => socket.write("*30000000\r\n".repeat(200))],
  ["sends a string of a gigabyte", (socket: Socket) => socket.write("$1000000000\r\n")],
] as const) {
  test(`A Redis that ${what} is not read, and costs no memory`, async () => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => attack(socket));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const { port } = server.address() as { port: number };
      const before = process.memoryUsage().rss;
      await assert.rejects(
        openLink({ address: { host: "127.0.0.1", port, tls: false, database: 0 } as never }, AbortSignal.timeout(20_000)),
        (error) => error instanceof BrokerError && /answers with more than/.test(error.message),
      );
      assert.ok(process.memoryUsage().rss - before < 100 * 2 ** 20);
    } finally {
      server.close();
    }
  });
}
