import { randomUUID } from "node:crypto";
import path from "node:path";
import type { Client, ClientReadableStream, Metadata as GrpcMetadata } from "@grpc/grpc-js";
import { BrokerError, type Problem, type ProblemKind } from "../core/contract.ts";
import { abortable } from "./abortable.ts";
import type { Calls, ExternalReader, Metadata, Streams } from "./external-client.ts";
import { createListener } from "./external-listener.ts";
import type { ExternalSettings } from "./external-settings.ts";
import { closeChannel, lossOf } from "./grpc-channel.ts";
import { grpcProblem, statusOf } from "./grpc-problem.ts";
import { createEnding } from "./session.ts";
import { tlsOptions } from "./tls.ts";

/** One connection to a scaler in another process. It may come and go by itself; once it stays away it is lost. */
export type ExternalLink = ExternalReader & Readonly<{ lost: Promise<Problem>; destroy(): void }>;

/** No answer may take longer, so that one that is late is not the fault of all. */
const answerMs = 1500;

type Method = Readonly<{
  path: string;
  requestSerialize: (value: object) => Buffer;
  responseDeserialize: (bytes: Buffer) => object;
}>;

/** Loaded with the first connection: whoever has none does without gRPC. */
async function load() {
  const [grpc, loader] = await Promise.all([import("@grpc/grpc-js"), import("@grpc/proto-loader")]);
  const files = ["externalscaler.proto", "readings.proto"].map((file) => path.join(import.meta.dirname, "protos", file));
  const definition = await loader.load(files, { keepCase: true, longs: Number, defaults: true });
  const services = ["externalscaler.ExternalScaler", "worktide.v1.Readings"].map((name) => definition[name] ?? {});
  return { grpc: grpc.default ?? grpc, methods: Object.assign({}, ...services) as Readonly<Record<string, Method>> };
}

/** Dials, and waits for a first answer, whatever it is. Throws BrokerError. */
export async function openLink(settings: ExternalSettings, signal: AbortSignal): Promise<ExternalLink> {
  const link = await createClient(settings);
  try {
    await abortable(greet(link), signal);
    link.watch();
    return link;
  } catch (error) {
    link.destroy();
    throw error;
  }
}

/** Most do not know this question, and say so: they are there, and have let us in. */
async function greet({ call }: Pick<ExternalLink, "call">): Promise<void> {
  try {
    await call("Read", { queries: [] });
  } catch (error) {
    if (!(error instanceof BrokerError) || !endsDial.has(error.problem.kind)) return;
    // A mesh that permits some methods only may well permit those that matter.
    if (statusOf(error.cause) !== 7) throw error;
  }
}

const endsDial = new Set<ProblemKind>(["unreachable", "timeout", "tls", "auth", "limit"]);

async function createClient({ address, tls, token, metadata = [] }: ExternalSettings) {
  const { grpc, methods } = await load();
  const { ca, cert, key, servername, rejectUnauthorized } = await tlsOptions(tls);
  const pem = (text: string | Buffer | undefined) => (text === undefined ? null : Buffer.from(text));
  const credentials =
    tls === undefined
      ? grpc.credentials.createInsecure()
      : grpc.credentials.createSsl(pem(ca), pem(key), pem(cert), { rejectUnauthorized });
  const client = new grpc.Client(address, credentials, {
    // Else another client's connection to this address is taken, though it may be half-open.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.max_receive_message_length": 4 * 2 ** 20,
    "grpc.primary_user_agent": "worktide",
    ...(servername !== undefined && { "grpc.ssl_target_name_override": servername }),
  });
  const head = new grpc.Metadata();
  if (token !== undefined) head.set("authorization", `Bearer ${token}`);
  const own = Object.fromEntries(metadata.map(({ name, value = "" }) => [name, value]));
  const secrets = [token, ...Object.values(own)].filter((one) => one !== undefined && one.length > 3) as readonly string[];
  return createLink({ client, methods, head, own, secrets });
}

type Parts = Readonly<{
  client: Client;
  methods: Readonly<Record<string, Method>>;
  head: GrpcMetadata;
  own: Metadata;
  secrets: readonly string[];
}>;

function createLink({ client, methods, head, own, secrets }: Parts): ExternalLink & Readonly<{ watch(): void }> {
  let epoch = randomUUID();

  const methodOf = (name: string): Method => {
    const method = methods[name];
    if (method === undefined) throw new Error(`there is no method ${name} in the contracts`);
    return method;
  };
  const call = <Name extends keyof Calls>(name: Name, request: Calls[Name][0]) => {
    const { path, requestSerialize, responseDeserialize } = methodOf(name);
    const { promise, resolve, reject } = Promise.withResolvers<Calls[Name][1]>();
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize as (bytes: Buffer) => Calls[Name][1],
      request,
      head,
      { deadline: Date.now() + answerMs },
      (error, answer) => {
        if (answer !== undefined && error === null) resolve(answer);
        else reject(new BrokerError(grpcProblem(error, secrets), { cause: error }));
      },
    );
    return promise;
  };
  const stream = (name: keyof Streams, request: object): ClientReadableStream<object> => {
    const { path, requestSerialize, responseDeserialize } = methodOf(name);
    return client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, head);
  };
  const listener = createListener(stream);
  const { lost, destroy } = createEnding(() => {
    listener.stop();
    void closeChannel(client.getChannel(), () => client.close());
  });
  /** A server that restarts or moves on closes the connection: behind another one may be another server. */
  const watch = () => {
    const renew = () => {
      epoch = randomUUID();
    };
    void lossOf(client.getChannel(), renew).then(destroy);
  };

  return {
    metadata: own,
    epoch: () => epoch,
    call,
    listen: listener.listen,
    lost,
    destroy,
    watch,
  };
}
