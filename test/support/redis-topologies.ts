import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createClient } from "@redis/client";
import { slotCount } from "../../src/brokers/redis-slots.ts";
import { freePort } from "../../src/services/free-port.ts";
import { startRedis, type TestRedis } from "./redis.ts";
import { waitFor } from "./wait.ts";

const run = promisify(execFile);

/** One command to one server, on a connection of its own. */
export async function redisCommand(port: number, ...words: readonly string[]): Promise<unknown> {
  const client = createClient({ socket: { host: "127.0.0.1", port, reconnectStrategy: false }, RESP: 2 });
  client.on("error", () => {});
  await client.connect();
  try {
    return await client.sendCommand(words);
  } finally {
    client.destroy();
  }
}

export type TestSentinel = AsyncDisposable & Readonly<{ nodes: readonly string[]; primary: TestRedis; replica: TestRedis }>;

/** One primary, one replica, three Sentinels that notice within 2 s. The primary's name is `main`. */
export async function startSentinel(): Promise<TestSentinel> {
  const args = ["--repl-diskless-sync-delay", "0"];
  const primary = await startRedis({ args });
  const replica = await startRedis({ args: [...args, "--replicaof", "127.0.0.1", String(primary.port)] });
  await waitFor("the replica to be in step", async () =>
    String(await redisCommand(replica.port, "INFO", "replication")).includes("master_link_status:up"),
  );
  const dir = await mkdtemp(join(tmpdir(), "worktide-sentinel-"));
  const sentinels: TestRedis[] = [];
  for (let i = 0; i < 3; i++) {
    const file = join(dir, `${i}.conf`);
    await writeFile(
      file,
      `sentinel monitor main 127.0.0.1 ${primary.port} 2\nsentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n`,
    );
    sentinels.push(await startRedis({ configFile: file, args: ["--sentinel"] }));
  }
  await waitFor("the Sentinels to know each other", async () => {
    for (const { port } of sentinels) {
      const others = await redisCommand(port, "SENTINEL", "SENTINELS", "main");
      const replicas = await redisCommand(port, "SENTINEL", "REPLICAS", "main");
      if (!Array.isArray(others) || others.length < 2 || !Array.isArray(replicas) || replicas.length < 1) return false;
      // Nobody is made the primary of whom it does not know that it is in step.
      const [about = []] = replicas as readonly (readonly string[])[];
      if (about[about.indexOf("master-link-status") + 1] !== "ok") return false;
    }
    return true;
  });
  const stop = async () => {
    await Promise.all([...sentinels, primary, replica].map((server) => server.stop()));
    await rm(dir, { recursive: true, force: true });
  };
  return { nodes: sentinels.map(({ port }) => `127.0.0.1:${port}`), primary, replica, [Symbol.asyncDispose]: stop };
}

export type TestCluster = AsyncDisposable &
  Readonly<{
    nodes: readonly string[];
    servers: readonly TestRedis[];
    /** The server whose slots hold this slot at the start. */
    ownerOf(slot: number): TestRedis;
  }>;

/** Primaries without replicas, each with an equal share of the slots. */
export async function startCluster(size = 2): Promise<TestCluster> {
  const servers: TestRedis[] = [];
  for (let i = 0; i < size; i++) {
    // The cluster bus listens on a second port, which has to be free as well.
    const busPort = String(await freePort());
    const args = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no"];
    servers.push(await startRedis({ args: [...args, "--cluster-port", busPort, "--cluster-config-file", "nodes.conf"] }));
  }
  const share = Math.ceil(slotCount / size);
  const [first] = servers;
  for (const [i, { port }] of servers.entries()) {
    await redisCommand(port, "CLUSTER", "ADDSLOTSRANGE", String(i * share), String(Math.min(slotCount, (i + 1) * share) - 1));
    await redisCommand(port, "CLUSTER", "SET-CONFIG-EPOCH", String(i + 1));
    if (!first || i === 0) continue;
    const bus = /@(\d+)/.exec(String(await redisCommand(port, "CLUSTER", "NODES")))?.[1] ?? "";
    await redisCommand(first.port, "CLUSTER", "MEET", "127.0.0.1", String(port), bus);
  }
  await waitFor("the cluster to be whole", async () => {
    for (const { port } of servers) {
      const info = String(await redisCommand(port, "CLUSTER", "INFO"));
      if (!info.includes("cluster_state:ok") || !info.includes(`cluster_slots_assigned:${slotCount}`)) return false;
    }
    return true;
  });
  return {
    nodes: servers.map(({ port }) => `127.0.0.1:${port}`),
    servers,
    ownerOf: (slot) => servers[Math.floor(slot / share)] as TestRedis,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

export type TestCerts = AsyncDisposable & Readonly<{ caFile: string; certFile: string; keyFile: string; otherCaFile: string }>;

/** An authority, a certificate of it for 127.0.0.1 and localhost, and a second authority; undefined without openssl. */
export async function makeCerts(names: readonly string[] = ["localhost"]): Promise<TestCerts | undefined> {
  const dir = await mkdtemp(join(tmpdir(), "worktide-certs-"));
  const openssl = (...args: string[]) => run("openssl", args, { cwd: dir });
  const authority = (name: string) =>
    openssl(
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-subj",
      `/CN=${name}`,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.crt`,
    );
  try {
    await openssl("version");
  } catch {
    return undefined;
  }
  await Promise.all([authority("ca"), authority("other")]);
  await openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr");
  await writeFile(join(dir, "san"), ["subjectAltName=IP:127.0.0.1", ...names.map((name) => `DNS:${name}`)].join());
  const sign = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san"];
  await openssl("x509", "-req", "-in", "server.csr", "-out", "server.crt", ...sign);
  return {
    caFile: join(dir, "ca.crt"),
    certFile: join(dir, "server.crt"),
    keyFile: join(dir, "server.key"),
    otherCaFile: join(dir, "other.crt"),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}
