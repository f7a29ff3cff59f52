import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { heldThroughAll, networkFaults } from "../faults/support/elsewhere.ts";
import { listening } from "../support/listening.ts";

type Answer = (response: ServerResponse) => void;

test("a page is refused, silent, a proxy's own, cut off, slow or without its number: held (rows 1, 4, 16, 41, 42, 54)", async () => {
  let waiting = 3;
  const good: Answer = (response) => response.end(JSON.stringify({ waiting }));
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
      trigger: { http: { path: "/jobs", waiting: "$.waiting" } },
      faults: [
        ...networkFaults,
        odd("bad gateway", "unreachable", (response) => response.writeHead(502).end("<html>")),
        odd("login page", "invalid", (response) => response.writeHead(200).end("<html>")),
        odd("revoked", "auth", (response) => response.writeHead(403).end('{"waiting":0}')),
        odd("cut off", "unreachable", (response) => {
          response.writeHead(200, { "content-length": "100" }).write('{"waiting":0}', () => response.destroy());
        }),
        odd("slow", "timeout", (response) => void response.write('{"wait')),
        odd("nothing there", "missing", (response) => response.end("{}")),
        odd("no count", "invalid", (response) => response.end('{"waiting":-4}')),
      ],
      shorten: async () => (waiting = 1),
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
