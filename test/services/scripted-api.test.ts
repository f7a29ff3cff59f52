import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type ClientHttp2Session, connect, constants } from "node:http2";
import { type AddressInfo, connect as dial } from "node:net";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { startProxy, type TestProxy } from "../support/proxy.ts";
import { type ScriptedApi, startScriptedApi } from "../support/scripted-api.ts";
import { waitFor } from "../support/wait.ts";

const line = `${"x".repeat(10_000)}\n`;
/** Of what there is; none of the buffers on the way holds half as much. */
const most = 128 << 20;

describe("what stands before an API server in tests", () => {
  const asked: string[] = [];
  let written = 0;
  /** A watch that always has more to tell. */
  const flood = (response: ServerResponse) => {
    while (written < most) {
      written += line.length;
      if (!response.write(line)) return void response.once("drain", () => flood(response));
    }
  };
  const server = createServer(({ url = "" }, response) => {
    asked.push(url);
    if (url.startsWith("/flood")) flood(response);
    else response.write(`${url}\n`);
  });
  let api: ScriptedApi;
  let proxy: TestProxy;
  let session: ClientHttp2Session;
  before(async () => {
    await once(server.listen(0, "127.0.0.1"), "listening");
    api = await startScriptedApi({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ca: "" });
    proxy = await startProxy(() => api.port);
    session = connect(`https://127.0.0.1:${proxy.port}`, { ca: api.ca });
  });
  after(async () => {
    session.destroy();
    await proxy[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
    server.closeAllConnections();
    server.close();
  });

  const heldUp = async () => {
    const rests = async () => {
      const before = written;
      await pause(300);
      return written > 0 && written === before;
    };
    await waitFor("the server to be held up", rests);
    assert.ok(written < most / 2, `${written} bytes were read, and nobody wanted them`);
  };

  it("reads a watch no faster than it is read itself", async () => {
    written = 0;
    const watch = session.request({ ":path": "/flood?watch=true" });
    await once(watch, "response"); // and no more of it is read
    await heldUp();
    watch.close(constants.NGHTTP2_CANCEL);
  });

  for (const mode of [{ kind: "pass" }, { kind: "delay", ms: 20 }] as const) {
    it(`reads a server no faster than its client, with the proxy at '${mode.kind}'`, async () => {
      written = 0;
      await using direct = await startProxy(() => (server.address() as AddressInfo).port);
      await direct.set(mode);
      const client = dial(direct.port, "127.0.0.1").on("error", () => {});
      client.write("GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n"); // and its answer is not read
      await heldUp();
      client.destroy();
    });
  }

  it("does not pass on what was given up while it waited, and leaves the rest of its session alone", async () => {
    const other = session.request({ ":path": "/other?watch=true" });
    other.setEncoding("utf8");
    const [said] = await once(other, "data");
    assert.equal(said, "/other?watch=true\n");
    const judged: string[] = [];
    api.set(({ path }) => {
      judged.push(path);
      return { afterMs: 300 };
    });
    const given = session.request({ ":path": "/given-up?watch=true" });
    await waitFor("it to be judged", () => judged.includes("/given-up"));
    given.close(constants.NGHTTP2_CANCEL);
    const late = session.request({ ":path": "/late?watch=true" });
    await once(late, "response");
    assert.deepEqual(
      asked.filter((url) => /given-up|late/.test(url)),
      ["/late?watch=true"],
    );
    assert.ok(!other.closed && !session.destroyed);
    for (const stream of [other, late]) stream.close(constants.NGHTTP2_CANCEL);
  });
});
