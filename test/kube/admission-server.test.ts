import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { Agent, request } from "undici";
import { ReviewError } from "../../src/api/admission.ts";
import { type AdmissionServerOptions, openAdmissionServer } from "../../src/kube/admission-server.ts";
import { issueCertificate } from "../../src/kube/certificate.ts";
import { certificateFiles } from "../../src/kube/webhook-certificate.ts";
import { waitFor } from "../support/wait.ts";

const issue = () => issueCertificate({ dnsNames: ["localhost"], from: Date.now() - 3_600_000, until: Date.now() + 86_400_000 });

/** A server, and how to ask it. */
async function open(over: Partial<AdmissionServerOptions> = {}) {
  const issued = issue();
  const faults: string[] = [];
  const server = await openAdmissionServer({
    listen: { host: "127.0.0.1", port: 0 },
    certificate: async () => issued,
    answer: async (review) => ({ asked: review }),
    failed: (doing) => faults.push(doing),
    signal: new AbortController().signal,
    ...over,
  });
  const agent = new Agent({ connect: { ca: issued.ca } });
  return {
    ...server,
    faults,
    async ask(body: string, path = "/admit", method: "POST" | "GET" = "POST") {
      const url = `https://localhost:${server.port}${path}`;
      const { statusCode, body: text } = await request(url, { method, dispatcher: agent, ...(method === "POST" && { body }) });
      return [statusCode, await text.text()] as const;
    },
    /** How long it says that it keeps a connection. */
    async idle() {
      const { headers, body } = await request(`https://localhost:${server.port}/admit`, {
        method: "POST",
        dispatcher: agent,
        body: "{}",
      });
      await body.dump();
      return String(headers["keep-alive"]);
    },
    async [Symbol.asyncDispose]() {
      await agent.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** The certificate that a server shows. */
function shown(port: number): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, servername: "localhost", rejectUnauthorized: false }, () => {
      const { raw } = socket.getPeerCertificate();
      socket.destroy();
      resolve(new X509Certificate(raw));
    });
    socket.once("error", reject);
  });
}

/** Asks half a question. */
function half(port: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, servername: "localhost", rejectUnauthorized: false }, () => {
      socket.write("POST /admit HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{", () => resolve(socket));
    }).once("error", reject);
  });
}

describe("the server of the webhook", () => {
  it("answers what is asked by POST at its path, and nothing else", async () => {
    await using server = await open();
    assert.deepEqual(await server.ask('{"a":1}'), [200, '{"asked":{"a":1}}']);
    assert.deepEqual(await server.ask('{"a":1}', "/admit?timeout=5s"), [200, '{"asked":{"a":1}}']);
    assert.equal((await server.ask("{}", "/"))[0], 404);
    assert.equal((await server.ask("", "/admit", "GET"))[0], 405);
    assert.deepEqual(server.faults, []);
  });

  it("keeps an idle connection longer than the API server does: who closes first must be who asks", async () => {
    await using server = await open();
    const [, said = ""] = /timeout=(\d+)/.exec(await server.idle()) ?? [];
    assert.ok(Number(said) > 90, said);
  });

  it("tells who asks wrongly, and keeps its own faults to itself", async () => {
    await using server = await open({
      answer: async (review) => {
        throw review === null ? new ReviewError("must be a review") : new Error("secret");
      },
    });
    assert.deepEqual(await server.ask("null"), [400, "must be a review\n"]);
    assert.deepEqual(await server.ask("{"), [400, "must be JSON\n"]);
    assert.deepEqual(await server.ask(`"${"x".repeat(7 * 1024 * 1024)}"`), [400, "must not be larger than 6291456 bytes\n"]);
    assert.deepEqual(server.faults, []);
    assert.deepEqual(await server.ask("{}"), [500, "cannot answer\n"]);
    assert.deepEqual(server.faults, ["answering an admission review"]);
  });

  it("takes who goes away in the midst of a question for no fault of its own", async () => {
    await using server = await open();
    const sockets = await Promise.all(Array.from({ length: 17 }, () => half(server.port)));
    await waitFor("all places to be taken", async () => (await server.ask("{}"))[0] === 503);
    for (const socket of sockets) socket.destroy();
    await waitFor("a place", async () => (await server.ask("{}"))[0] === 200);
    assert.deepEqual(server.faults, []);
  });

  it("turns away who is one too many, and goes on", async () => {
    const answers = Promise.withResolvers<object>();
    await using server = await open({ answer: () => answers.promise });
    const asked = Array.from({ length: 40 }, () => server.ask("{}"));
    const first = await Promise.race(asked);
    assert.deepEqual(first, [503, "busy\n"]);
    answers.resolve({ fine: true });
    const statuses = (await Promise.all(asked)).map(([status]) => status);
    assert.ok(statuses.filter((status) => status === 200).length >= 16, statuses.join());
    assert.deepEqual(await server.ask("{}"), [200, '{"fine":true}']);
  });

  it("shows a new certificate to new connections, from files too", async () => {
    const folder = await mkdtemp(join(tmpdir(), "worktide-tls-"));
    const put = (file: "tls.crt" | "tls.key", text: string) => writeFile(join(folder, file), text);
    const serial = ({ cert }: { cert: string }) => new X509Certificate(cert).serialNumber;
    const [first, second] = [issue(), issue()];
    await put("tls.crt", first.cert);
    await put("tls.key", first.key);
    await using server = await open({ certificate: certificateFiles(folder), renewMs: 10 });
    const toldAgain = async (what: string) => {
      server.faults.length = 0;
      await waitFor(what, () => server.faults.includes("renewing the certificate of the webhook"));
    };
    assert.equal((await shown(server.port)).serialNumber, serial(first));
    for (const half of ["", second.cert.slice(0, 200), second.cert]) {
      await put("tls.crt", half);
      await toldAgain("half of a pair is told of");
      assert.equal((await shown(server.port)).serialNumber, serial(first));
    }
    await put("tls.key", second.key);
    await waitFor("the new one is shown", async () => (await shown(server.port)).serialNumber === serial(second));
    await rm(folder, { recursive: true });
    await toldAgain("that nothing is there is told of");
    assert.equal((await shown(server.port)).serialNumber, serial(second));
  });

  it("tells once why it has no certificate yet, however often it tries", async () => {
    const why = ["none", "none", "none", "another one", "another one"];
    const certificate = async () => {
      const cause = why.shift();
      if (cause !== undefined) throw new Error(cause);
      return issue();
    };
    await using server = await open({ certificate, renewMs: 10 });
    assert.deepEqual(server.faults, Array(2).fill("getting a certificate for the webhook"));
  });

  it("gives up waiting for a certificate when it is told to stop", async () => {
    const stop = new AbortController();
    const never = { certificate: () => Promise.reject(new Error("no")), failed: () => stop.abort(), signal: stop.signal };
    await assert.rejects(open(never), { name: "AbortError" });
  });
});
