import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { patienceMs } from "../support/wait.ts";
import { serveScene } from "./serve-scene.ts";
import { workerOf } from "./synthetic.ts";

test("A viewer whose socket is never read costs a bounded buffer and is then dropped, while another one goes on", async () => {
  await using served = await serveScene();
  const stuck = connect(served.port, "127.0.0.1");
  await once(stuck, "connect");
  stuck.pause();
  stuck.write("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const reader = (await fetch(`${served.url}api/v1/events`)).body?.getReader();
  let read = 0;
  const reading = (async () => {
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) read += part.value.byteLength;
  })();
  const until = performance.now() + patienceMs;
  const target = "x".repeat(200_000);
  let sent = 0;
  for (let most = 0; most < 2 || served.web.viewers() !== 1; most = Math.max(most, served.web.viewers())) {
    assert.ok(performance.now() < until, `${served.web.viewers()} viewers after ${sent} updates`);
    served.scene.set(workerOf(Date.now(), { target: `${target}${sent++}` }));
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  const before = read;
  served.scene.set(workerOf(Date.now(), { target }));
  while (read < before + target.length) {
    assert.ok(performance.now() < until, "the other viewer got nothing more");
    await new Promise(setImmediate);
  }
  await reader?.cancel();
  await reading;
  stuck.destroy();
});
