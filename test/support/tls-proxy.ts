import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { dirname, join } from "node:path";
import { createServer, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { freePort } from "../../src/services/free-port.ts";
import type { TestCerts } from "./redis-topologies.ts";

const run = promisify(execFile);

/** What a server shows: PEM. */
export type ServerCert = Readonly<{ cert: string; key: string }>;

/** A certificate of one of the two authorities, for these names, over `days` from now: over already when negative. */
export async function issueCert(
  { caFile }: TestCerts,
  { by = "ca", names = "IP:127.0.0.1", days = 2 }: Readonly<{ by?: "ca" | "other"; names?: string; days?: number }> = {},
): Promise<ServerCert> {
  const cwd = dirname(caFile);
  const name = `issued-${crypto.randomUUID()}`;
  const openssl = (...args: string[]) => run("openssl", args, { cwd });
  await openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=redis", "-keyout", `${name}.key`, "-out", `${name}.csr`);
  await writeFile(join(cwd, `${name}.ext`), `subjectAltName=${names}`);
  const authority = ["-CA", `${by}.crt`, "-CAkey", `${by}.key`, "-CAcreateserial"];
  const ends = ["-days", String(days), "-extfile", `${name}.ext`];
  await openssl("x509", "-req", "-in", `${name}.csr`, "-out", `${name}.crt`, ...authority, ...ends);
  const read = (kind: string) => readFile(join(cwd, `${name}.${kind}`), "utf8");
  return { cert: await read("crt"), key: await read("key") };
}

export type TestTlsProxy = AsyncDisposable &
  Readonly<{
    port: number;
    /** Shows another certificate from now on, and resets the connections that there are. */
    show(cert: ServerCert): void;
  }>;

/** Speaks TLS on a free port of the loopback, and plain to `port`. `protocol` is what clients agree on by ALPN: "h2". */
export async function startTlsProxy(target: number, first: ServerCert, protocol?: string): Promise<TestTlsProxy> {
  const open = new Set<TLSSocket>();
  const server = createServer({ ...first, ...(protocol && { ALPNProtocols: [protocol] }) }, (client) => {
    open.add(client);
    const plain = createConnection({ port: target, host: "127.0.0.1" });
    for (const socket of [client, plain]) {
      socket
        .on("error", () => {})
        .on("close", () => {
          client.destroy();
          plain.destroy();
          open.delete(client);
        });
    }
    client.pipe(plain).pipe(client);
  });
  server.on("tlsClientError", () => {});
  const port = await freePort();
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const client of open) client.destroy();
  };
  return {
    port,
    show(cert) {
      server.setSecureContext(cert);
      cut();
    },
    async [Symbol.asyncDispose]() {
      server.close();
      cut();
    },
  };
}
