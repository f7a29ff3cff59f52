import { copyFile, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { startRedis } from "../support/redis.ts";
import { makeCerts, type TestCerts } from "../support/redis-topologies.ts";
import { issueCert, type ServerCert, startTlsProxy, type TestTlsProxy } from "../support/tls-proxy.ts";
import { pool } from "./support/pools.ts";
import { calm, heldDuring } from "./support/scenario.ts";
import { setStage } from "./support/stage.ts";

const list = pool("list", { kind: "list", max: 5, waitingPerReplica: 1 });

type Way = Readonly<{ certs: TestCerts; proxy: TestTlsProxy; good: ServerCert; caFile: string }>;

/** A pool over TLS whose server shows a certificate that is not trusted, until `mend` has mended it. */
async function distrusted(
  t: TestContext,
  fault: string,
  bad: (certs: TestCerts) => Promise<ServerCert>,
  mend: (way: Way) => Promise<void>,
): Promise<void> {
  await using certs = await makeCerts();
  if (!certs) return t.skip("openssl is not installed");
  await using redis = await startRedis();
  const good = await issueCert(certs);
  const wrong = await bad(certs);
  await using proxy = await startTlsProxy(redis.port, good);
  const caFile = join(dirname(certs.caFile), "trusted.crt");
  await copyFile(certs.caFile, caFile);
  const main = { url: `rediss://127.0.0.1:${proxy.port}/0`, tls: { caFile } };
  await using stage = await setStage({ pools: [list, calm], main: { redis: main, truthPort: () => redis.port } });
  await stage.settles("list", 3);
  await stage.fault({ fault, connection: "main" }, async () => {
    proxy.show(wrong);
    await stage.sees("list", "tls");
    await pause(3000);
    await mend({ certs, proxy, good, caFile });
    await stage.sees("list", undefined);
  });
  await stage.settles("list", 3);
  heldDuring(await stage.judge(), fault, ["list"]);
}

suite("The certificate of Redis is not trusted: named, held, and mended without a restart", { concurrency: 2 }, () => {
  test("it is of another authority, which the file names in the end (row 43)", (t) =>
    distrusted(
      t,
      "other authority",
      (certs) => issueCert(certs, { by: "other" }),
      async ({ certs, caFile }) => {
        const both = await Promise.all([certs.caFile, certs.otherCaFile].map((file) => readFile(file, "utf8")));
        await writeFile(caFile, both.join("\n"));
      },
    ));

  test("it has expired (row 43)", (t) =>
    distrusted(
      t,
      "expired",
      (certs) => issueCert(certs, { days: -1 }),
      async ({ proxy, good }) => proxy.show(good),
    ));

  test("it is for another name (row 43)", (t) =>
    distrusted(
      t,
      "other name",
      (certs) => issueCert(certs, { names: "DNS:other.example" }),
      async ({ proxy, good }) => proxy.show(good),
    ));
});
