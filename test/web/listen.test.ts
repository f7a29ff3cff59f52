import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { type Caller, listen } from "../../src/web/listen.ts";
import { waitFor } from "../support/wait.ts";

const hello = async () => new Response("hello");

test("Port 0 takes a free one, on loopback unless told otherwise", async () => {
  await using server = await listen(hello, { port: 0 }, new AbortController().signal);
  assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.equal(await (await fetch(server.url)).text(), "hello");
});

test("A port that is taken is said in one sentence with the way out", async () => {
  await using server = await listen(hello, { port: 0 }, new AbortController().signal);
  await assert.rejects(listen(hello, { port: server.port }, new AbortController().signal), {
    message: `cannot listen on 127.0.0.1:${server.port}: another program has that port; choose another, or 0 for any free one`,
  });
});

test("It closes with a stream open", async () => {
  const stop = new AbortController();
  const endless = async () => new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(3)) }));
  const server = await listen(endless, { port: 0 }, stop.signal);
  const reader = (await fetch(server.url)).body?.getReader();
  await reader?.read();
  stop.abort();
  await server[Symbol.asyncDispose](); // for ever, if it waited for the stream
  await assert.rejects(async () => reader?.read());
  await assert.rejects(fetch(server.url));
});

test("The global Request and Response stay those of Node", async () => {
  const before = [globalThis.Request, globalThis.Response];
  await using _server = await listen(hello, { port: 0 }, new AbortController().signal);
  assert.deepEqual([globalThis.Request, globalThis.Response], before);
});

test("Requests that never come to their end keep a probe out for seconds only", { timeout: 60_000 }, async (t) => {
  await using server = await listen(hello, { port: 0 }, new AbortController().signal);
  const begun = Array.from({ length: 512 }, () => {
    const socket = connect(server.port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\nHost: loc"));
    return socket.on("error", () => {}).resume();
  });
  t.after(() => begun.forEach((socket) => void socket.destroy()));
  await Promise.all(begun.map((socket) => once(socket, "connect")));
  // A probe gives up after three failures in a row, ten seconds apart.
  await waitFor(
    "a probe to be answered",
    () =>
      fetch(server.url).then(
        (answer) => answer.ok,
        () => false,
      ),
    20_000,
  );
});

test("It knows who comes over the loopback, and who by an address of the network", async (t) => {
  const near = async (_request: Request, caller: Caller) => Response.json(caller);
  await using server = await listen(near, { host: "0.0.0.0", port: 0 }, new AbortController().signal);
  const ask = async (host: string) => (await fetch(`http://${host}:${server.port}`)).json();
  assert.deepEqual(await ask("127.0.0.1"), { near: true });
  const outer = Object.values(networkInterfaces()).flatMap((all = []) =>
    all.filter((one) => one.family === "IPv4" && !one.internal),
  );
  if (outer[0] === undefined) return t.skip("this machine has no address but the loopback");
  assert.deepEqual(await ask(outer[0].address), { near: false });
});
