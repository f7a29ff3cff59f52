import { appendFile, readFile } from "node:fs/promises";
import type { TestContext } from "node:test";
import { makeCerts, type TestCerts } from "../../support/redis-topologies.ts";
import { issueCert, type ServerCert, startTlsProxy } from "../../support/tls-proxy.ts";
import { type ElsewhereScenario, type Fault, heldThroughAll } from "./elsewhere.ts";

/** A service that speaks TLS. */
export type TlsServer = AsyncDisposable &
  Readonly<{
    port: number;
    /** New connections get this certificate; those that there are end. */
    show(cert: ServerCert): unknown;
  }>;

type Scenario = Omit<ElsewhereScenario, "source" | "faults"> &
  Readonly<{
    serve(certs: TestCerts, good: ServerCert): Promise<TlsServer>;
    spec(port: number, tls: Readonly<{ caFile: string }>): object;
  }>;

/** Three jobs wait in a service whose certificate is not to be trusted: named, held, and read again without a restart. */
export async function heldThroughCertificates(t: TestContext, { serve, spec, ...scenario }: Scenario): Promise<void> {
  await using certs = await makeCerts();
  if (!certs) return t.skip("openssl is not installed");
  const good = await issueCert(certs);
  const fault = async (name: string, change: Parameters<typeof issueCert>[1], mend = () => server.show(good)): Promise<Fault> => {
    const bad = await issueCert(certs, change);
    return { name, sees: "tls", begin: () => server.show(bad), end: mend };
  };
  const trustOther = async () => appendFile(certs.caFile, await readFile(certs.otherCaFile));
  const faults = [
    await fault("expired", { days: -1 }),
    await fault("another name", { names: "DNS:other.example" }),
    await fault("another authority, trusted in the end", { by: "other" }, trustOther),
  ];
  await using server = await serve(certs, good);
  const source = {
    port: () => server.port,
    spec: (port: number) => spec(port, { caFile: certs.caFile }),
    waiting: () => 3,
  };
  await heldThroughAll({ ...scenario, source, faults });
}

/** TLS before a service that speaks none, for clients of `protocol`. */
export const behindTls = (port: () => number, protocol?: string) => (_: TestCerts, good: ServerCert) =>
  startTlsProxy(port(), good, protocol);
