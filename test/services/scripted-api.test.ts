import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { get } from "node:https";
import { type AddressInfo, connect as dial } from "node:net";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { startProxy } from "../support/proxy.ts";
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
  before(async () => {
    await once(server.listen(0, "127.0.0.1"), "listening");
    api = await startScriptedApi({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ca: "" });
  });
  after(async () => {
    await api[Symbol.asyncDispose]();
    server.closeAllConnections();
    server.close();
  });

  const ask = (path: string) => get({ host: "127.0.0.1", port: api.port, ca: api.ca, path, agent: false }).on("error", () => {});

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
    const watch = ask("/flood?watch=true");
    await once(watch, "response"); // and no more of it is read
    await heldUp();
    watch.destroy();
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

  it("does not pass on what was given up while it waited", async () => {
    const judged: string[] = [];
    api.set(({ path }) => {
      judged.push(path);
      return { afterMs: 300 };
    });
    const given = ask("/given-up?watch=true");
    await waitFor("it to be judged", () => judged.includes("/given-up"));
    given.destroy();
    const late = ask("/late?watch=true");
    const [answer] = (await once(late, "response")) as [IncomingMessage];
    answer.setEncoding("utf8");
    assert.deepEqual(await once(answer, "data"), ["/late?watch=true\n"]);
    assert.deepEqual(
      asked.filter((url) => /given-up|late/.test(url)),
      ["/late?watch=true"],
    );
    late.destroy();
  });
});
