import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { behindTls, heldThroughCertificates } from "../faults/support/certificates.ts";
import { dialFaults, heldThroughAll, networkFaults } from "../faults/support/elsewhere.ts";
import { listening } from "../support/listening.ts";

type Answer = (response: ServerResponse) => void;

test("a page is refused, silent, without a name, a proxy's own, cut off, slow, old, gone or without its number: held (rows 1, 4, 16, 30, 31, 40, 41, 42, 53, 54)", async () => {
  let waiting = 3;
  const told =
    (ageMs: number): Answer =>
    (response) =>
      response.end(JSON.stringify({ waiting, at: new Date(Date.now() - ageMs).toISOString() }));
  const good = told(0);
  let answer = good;
  const server = await listening(createServer((_, response) => answer(response)));
  const odd = (name: string, sees: "unreachable" | "invalid" | "timeout" | "auth" | "missing", bad: Answer) => ({
    name,
    sees,
    outage: name === "bad gateway",
    begin: () => (answer = bad),
    end: () => (answer = good),
  });
  try {
    await heldThroughAll({
      source: {
        port: () => (server.address() as AddressInfo).port,
        spec: (port) => ({ http: { url: `http://127.0.0.1:${port}`, tokenFrom: { env: "WORKTIDE_TEST_PASSWORD" } } }),
        waiting: () => waiting,
      },
      trigger: { http: { path: "/jobs", waiting: "$.waiting", takenAt: "$.at" } },
      faults: [
        ...networkFaults,
        ...dialFaults,
        odd("bad gateway", "unreachable", (response) => response.writeHead(502).end("<html>")),
        odd("login page", "invalid", (response) => response.writeHead(200).end("<html>")),
        odd("revoked", "auth", (response) => response.writeHead(403).end('{"waiting":0}')),
        odd("cut off", "unreachable", (response) => {
          response.writeHead(200, { "content-length": "100" }).write('{"waiting":0}', () => response.destroy());
        }),
        odd("slow", "timeout", (response) => void response.write('{"wait')),
        odd("not found", "missing", (response) => response.writeHead(404).end('{"waiting":0}')),
        odd("nothing there", "missing", (response) => response.end(`{"at":${Date.now()}}`)),
        odd("no count", "invalid", (response) => response.end(`{"waiting":-4,"at":${Date.now()}}`)),
        odd("an hour old", "missing", told(3_600_000)),
      ],
      shorten: async () => (waiting = 1),
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("a page shows a certificate that is not to be trusted: named, held, and read again without a restart (row 43)", async (t) => {
  const server = await listening(createServer((_, response) => response.end('{"waiting":3}')));
  try {
    await heldThroughCertificates(t, {
      serve: behindTls(() => (server.address() as AddressInfo).port),
      spec: (port, tls) => ({ http: { url: `https://127.0.0.1:${port}`, tls } }),
      trigger: { http: { path: "/jobs", waiting: "$.waiting" } },
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
