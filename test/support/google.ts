import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { promisify } from "node:util";
import type { Result } from "../../src/core/contract.ts";
import { startMonitoring, type TestMonitoring } from "./monitoring.ts";
import type { TestCerts } from "./redis-topologies.ts";

const run = promisify(execFile);

/** Names that Google's clients call, and that the certificate of a stand-in must bear. */
export const googleNames = ["monitoring.googleapis.com", "pubsub.googleapis.com"];

/** What stands in for Google, as its clients find it by their own environment: nothing in Worktide's settings leads there. */
export interface TestGoogle extends AsyncDisposable {
  readonly monitoring: TestMonitoring;
  /** Paths that were asked of the metadata server; what says `status` is answered with it. */
  readonly metadata: string[];
  status: number | undefined;
  /** One reading of a subscription, by a process with these settings on this machine. */
  read(settings: object, subscription: string): Promise<Result | { failed: string; kind?: string }>;
}

/** The token that the metadata server gives. */
export const podToken = "ya29.of-the-pod";

/** Cloud Monitoring over TLS behind a proxy (CONNECT) for all of Google's names, and the metadata server of a pod. */
export async function startGoogle(certs: TestCerts): Promise<TestGoogle> {
  await using undo = new AsyncDisposableStack();
  const monitoring = undo.use(await startMonitoring(0, certs));
  const metadata: string[] = [];
  const own: Pick<TestGoogle, "status"> = { status: undefined };
  const json = { "content-type": "application/json", "metadata-flavor": "Google" };

  const pod = await listen(undo, createServer(), (request, response) => {
    const path = request.url ?? "";
    metadata.push(path);
    if (request.headers["metadata-flavor"] !== "Google") return response.writeHead(403).end();
    if (!path.includes("/token")) return response.writeHead(200, { ...json, "content-type": "text/plain" }).end("googleapis.com");
    if (own.status !== undefined) return response.writeHead(own.status, json).end("no service account is bound");
    return response.writeHead(200, json).end(JSON.stringify({ access_token: podToken, expires_in: 3600, token_type: "Bearer" }));
  });
  const way = createServer().on("connect", ({ url }: IncomingMessage, client: Socket) => {
    const to = connect(googleNames.some((name) => url === `${name}:443`) ? monitoring.port : 0, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      to.pipe(client).pipe(to);
    });
    for (const [socket, other] of [
      [to, client],
      [client, to],
    ] as const) {
      socket.on("error", () => other.destroy()).on("close", () => other.destroy());
    }
  });
  const proxy = `http://127.0.0.1:${await listen(undo, way, (_, response) => response.writeHead(404).end())}`;

  const env = {
    PATH: process.env["PATH"],
    HOME: "/nonexistent",
    https_proxy: proxy,
    HTTPS_PROXY: proxy,
    no_proxy: "127.0.0.1",
    GCE_METADATA_HOST: `127.0.0.1:${pod}`,
    METADATA_SERVER_DETECTION: "assume-present",
    GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: certs.caFile,
    NODE_EXTRA_CA_CERTS: certs.caFile,
  };
  const owned = undo.move();
  return Object.assign(own, {
    ...{ monitoring, metadata },
    async read(settings: object, subscription: string) {
      const { stdout } = await run(
        process.execPath,
        ["--input-type=module", "-e", script, JSON.stringify({ settings, subscription })],
        {
          cwd: new URL("../..", import.meta.url),
          env,
        },
      );
      return JSON.parse(stdout);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  });
}

const script = `
  import { gcpPubSub } from "./scalers/gcpPubSub.ts";
  import { pubSubBroker } from "./src/brokers/pubsub.ts";
  const { settings, subscription } = JSON.parse(process.argv[1]);
  const signal = AbortSignal.timeout(60_000);
  try {
    const session = await pubSubBroker.open(settings, signal);
    const [result] = await gcpPubSub.read(session.client, [gcpPubSub.query.parse({ subscription })], signal);
    console.log(JSON.stringify(result));
  } catch (error) {
    console.log(JSON.stringify({ failed: String(error), kind: error.problem?.kind }));
  }
  process.exit();`;

async function listen(undo: AsyncDisposableStack, server: Server, answer: RequestListener): Promise<number> {
  server.on("request", answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  undo.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
