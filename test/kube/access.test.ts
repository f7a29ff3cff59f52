import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type Access, findAccess } from "../../src/kube/access.ts";
import { createClient } from "../../src/kube/client.ts";
import { type FakeApi, startFakeApi } from "../support/fake-api.ts";
import { certificate, privateKey } from "../support/fake-api-certificate.ts";
import { configMaps } from "./support.ts";

type Parts = Readonly<{ cluster?: object; user?: object; name?: string }>;

const open = (access: Access, onProblem?: (error: unknown) => void) =>
  createClient({ access, userAgent: "worktide-test", ...(onProblem ? { onProblem } : {}) });
const ask = async (access: Access) => {
  await using kube = await open(access);
  await kube.list({ kind: configMaps });
  return kube.namespace;
};

describe("credentials", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "worktide-access-"));
  });
  after(() => rm(folder, { recursive: true }));

  /** A kubeconfig for the fake server, with what one test is about. */
  async function kubeconfig({ port }: FakeApi, { cluster = {}, user = {}, name = "one" }: Parts = {}): Promise<string> {
    const file = path.join(folder, `${name}-${port}`);
    const server = `https://127.0.0.1:${port}`;
    const text = JSON.stringify({
      clusters: [{ name, cluster: { server, "certificate-authority-data": btoa(certificate), ...cluster } }],
      users: [{ name, user }],
      contexts: [{ name, context: { cluster: name, user: name, namespace: `space-${name}` } }],
      "current-context": name,
    });
    await writeFile(file, text);
    return file;
  }

  it("of the pod are its token, its authority and its namespace, and a rotated token is used at once (row 84)", async () => {
    let token = "first";
    await using api = await startFakeApi({ token: () => token });
    const root = path.join(folder, "pod");
    await mkdir(root);
    await writeFile(path.join(root, "ca.crt"), certificate);
    await writeFile(path.join(root, "namespace"), "shop\n");
    await writeFile(path.join(root, "token"), "first\n");
    await using kube = await open({ inCluster: { host: "127.0.0.1", port: String(api.port) }, root });
    await kube.list({ kind: configMaps });
    assert.equal(kube.namespace, "shop");
    token = "second";
    await assert.rejects(kube.list({ kind: configMaps }), { status: 401 }, "the file still holds the old one");
    await writeFile(path.join(root, "token"), "second\n");
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // it is read anew at most once per second
    await kube.list({ kind: configMaps });
    await kube.create(configMaps, { metadata: { name: "a", namespace: "shop" } });
  });

  it("that cannot be read any more serve on, and somebody is told", async () => {
    await using api = await startFakeApi();
    const root = path.join(folder, "pod-2");
    await mkdir(root);
    for (const [file, text] of [
      ["ca.crt", certificate],
      ["namespace", "shop"],
      ["token", "test-token"],
    ] as const) {
      await writeFile(path.join(root, file), text);
    }
    const problems: unknown[] = [];
    await using kube = await open({ inCluster: { host: "127.0.0.1", port: String(api.port) }, root }, (problem) =>
      problems.push(problem),
    );
    await rm(path.join(root, "token"));
    api.set(({ query }) => (query.get("limit") === "500" && api.requests.length === 1 ? { status: 401 } : undefined));
    await kube.list({ kind: configMaps });
    assert.equal(problems.length, 1);
  });

  it("of a kubeconfig are tokens, certificates, and the output of plugins", async () => {
    await using api = await startFakeApi();
    assert.equal(await ask({ kubeconfig: [await kubeconfig(api, { user: { token: "test-token" } })] }), "space-one");
    const status = JSON.stringify({
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "test-token" },
    });
    const exec = {
      apiVersion: "client.authentication.k8s.io/v1",
      command: process.execPath,
      args: ["-e", `console.log(${JSON.stringify(status)})`],
    };
    await ask({ kubeconfig: [await kubeconfig(api, { user: { exec }, name: "exec" })] });
    await writeFile(path.join(folder, "token-file"), "test-token\n");
    await ask({ kubeconfig: [await kubeconfig(api, { user: { tokenFile: "token-file" }, name: "file" })] });
    await using strict = await startFakeApi({ byCertificate: true });
    const user = { "client-certificate-data": btoa(certificate), "client-key-data": btoa(privateKey) };
    await ask({ kubeconfig: [await kubeconfig(strict, { user })] });
    await assert.rejects(ask({ kubeconfig: [await kubeconfig(strict, { name: "without" })] }));
  });

  it("are read anew when the file was replaced", async () => {
    let token = "one";
    await using api = await startFakeApi({ token: () => token });
    const file = await kubeconfig(api, { user: { token: "one" } });
    await using kube = await open({ kubeconfig: [file] });
    await kube.list({ kind: configMaps });
    token = "two";
    await kubeconfig(api, { user: { token: "two" } });
    await kube.list({ kind: configMaps });
  });

  it("of several files are merged, and a context may be chosen", async () => {
    await using api = await startFakeApi();
    const [one, two] = [
      await kubeconfig(api, { user: { token: "wrong" } }),
      await kubeconfig(api, { user: { token: "test-token" }, name: "two" }),
    ];
    await assert.rejects(ask({ kubeconfig: [one, two] }), { status: 401, reason: "Unauthorized" });
    assert.equal(await ask({ kubeconfig: [one, two, one], context: "two" }), "space-two");
    await assert.rejects(ask({ kubeconfig: [one], context: "three" }), /context 'three' must be one of those in it/);
    await assert.rejects(ask({ kubeconfig: [path.join(folder, "none")] }), /ENOENT/);
  });

  it("hold for the server that they name: its authority and its name are checked", async () => {
    await using api = await startFakeApi();
    const user = { token: "test-token" };
    await ask({ kubeconfig: [await kubeconfig(api, { user, cluster: { "tls-server-name": "localhost" } })] });
    assert.deepEqual(api.serverNames, ["localhost"]);
    await assert.rejects(
      ask({ kubeconfig: [await kubeconfig(api, { user, name: "name", cluster: { "tls-server-name": "other" } })] }),
      /altnames/,
    );
    const cluster = { "certificate-authority-data": undefined };
    await assert.rejects(ask({ kubeconfig: [await kubeconfig(api, { user, name: "ca", cluster })] }), /self-signed/);
    await ask({
      kubeconfig: [await kubeconfig(api, { user, name: "skip", cluster: { ...cluster, "insecure-skip-tls-verify": true } })],
    });
    assert.ok(
      api.requests.every(({ headers }) => headers.authorization === "Bearer test-token"),
      "never sent to one that was not proven",
    );
    assert.equal(api.requests.length, 2);
  });

  it("go through a proxy where the kubeconfig names one", async () => {
    await using api = await startFakeApi();
    const seen: string[] = [];
    const sockets = new Set<Socket>();
    const proxy = createServer().on("connect", (request, client: Socket) => {
      seen.push(request.url ?? "");
      const server = connect(api.port, "127.0.0.1", () => client.write("HTTP/1.1 200 OK\r\n\r\n"));
      for (const socket of [client, server]) sockets.add(socket.on("error", () => {}));
      server.pipe(client).pipe(server);
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    await ask({ kubeconfig: [await kubeconfig(api, { user: { token: "test-token" }, cluster: { "proxy-url": url } })] });
    assert.deepEqual(seen, [`127.0.0.1:${api.port}`]);
    const wrong = await kubeconfig(api, { name: "ftp", cluster: { "proxy-url": "ftp://x" } });
    await assert.rejects(ask({ kubeconfig: [wrong] }), /`proxy-url` must begin with/);
    for (const socket of sockets) socket.destroy();
    await closed(proxy);
  });

  it("are looked for as kubectl does", async () => {
    assert.deepEqual(await findAccess({ KUBECONFIG: `/a${path.delimiter}${path.delimiter}/b`, HOME: folder }), {
      kubeconfig: ["/a", "/b"],
    });
    assert.equal(await findAccess({ HOME: folder }), undefined);
    await mkdir(path.join(folder, ".kube"));
    await writeFile(path.join(folder, ".kube", "config"), "");
    assert.deepEqual(await findAccess({ HOME: folder }), { kubeconfig: [path.join(folder, ".kube", "config")] });
    assert.equal(await findAccess({}), undefined);
  });
});

const closed = (server: Server) => new Promise((resolve) => server.close(resolve));
