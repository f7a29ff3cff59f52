import { readFileSync } from "node:fs";
import { join } from "node:path";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const protos = ["@google-cloud/monitoring", "google-gax"].map((name) =>
  join(import.meta.dirname, "../../node_modules", name, "build/protos"),
);
const service = "pubsub.googleapis.com/subscription/";

/** One point of a subscription's series, in one region where it is by region. */
export type Count = Readonly<{ undelivered: number | string; oldestS?: number; at?: number; region?: string }>;

/** What a request brings instead of an answer: a status of gRPC, or nothing at all. */
export type Fault = Readonly<{ code: number; details?: string } | { delayMs: number } | { hang: true }>;

/** A server that answers for Cloud Monitoring's `ListTimeSeries`, with Google's own protos. */
export interface TestMonitoring extends AsyncDisposable {
  readonly port: number;
  /** Takes a number of a subscription: the newest one. Without `at` it is of now. */
  count(subscription: string, count: Count): void;
  /** Forgets all of a subscription, or everything. */
  forget(subscription?: string): void;
  /** From now on; undefined: answers again. */
  fail(fault: Fault | undefined): void;
  /** Requests so far, newest last. */
  readonly requests: readonly ListRequest[];
  /** What these came with as `authorization`, newest last. */
  readonly logins: readonly string[];
  /** So many points in a page at most, whatever is asked for. */
  pagePoints: number;
}

type Stamp = Readonly<{ seconds: string; nanos: number }>;
type ListRequest = Readonly<{
  name: string;
  filter: string;
  interval: Readonly<{ startTime: Stamp; endTime: Stamp }>;
  view: string;
  pageSize: number;
  pageToken: string;
}>;
type Call = grpc.ServerUnaryCall<ListRequest, unknown>;

/** Listens on a port of the loopback, a free one unless told otherwise; in plain text unless there is a certificate. */
export async function startMonitoring(
  port = 0,
  certs?: Readonly<{ certFile: string; keyFile: string }>,
): Promise<TestMonitoring> {
  const definition = loadSync("google/monitoring/v3/metric_service.proto", {
    includeDirs: protos,
    longs: String,
    enums: String,
    defaults: true,
  })["google.monitoring.v3.MetricService"] as grpc.ServiceDefinition;
  const counts = new Map<string, Count[]>();
  const requests: ListRequest[] = [];
  const logins: string[] = [];
  const late = new Set<NodeJS.Timeout>();
  let fault: Fault | undefined;
  const handle = ({ request, metadata }: Call, answer: grpc.sendUnaryData<unknown>) => {
    requests.push(request);
    logins.push(String(metadata.get("authorization")[0] ?? ""));
    if (fault === undefined) return answer(null, list(request, counts, house.pagePoints));
    if ("code" in fault) return answer({ code: fault.code, details: fault.details ?? "as told by the test" });
    if ("delayMs" in fault) late.add(setTimeout(() => answer(null, list(request, counts, house.pagePoints)), fault.delayMs));
  };
  const server = new grpc.Server();
  server.addService(definition, { ListTimeSeries: handle });
  const credentials = certs
    ? grpc.ServerCredentials.createSsl(null, [
        { cert_chain: readFileSync(certs.certFile), private_key: readFileSync(certs.keyFile) },
      ])
    : grpc.ServerCredentials.createInsecure();
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, at) => (error ? reject(error) : resolve(at))),
  );
  const house: TestMonitoring = {
    port: bound,
    requests,
    logins,
    pagePoints: Number.POSITIVE_INFINITY,
    count(subscription, count) {
      const all = counts.get(subscription) ?? [];
      all.unshift({ at: Date.now(), ...count });
      counts.set(subscription, all.slice(0, 20));
    },
    forget: (subscription) => (subscription === undefined ? counts.clear() : void counts.delete(subscription)),
    fail(next) {
      fault = next;
    },
    async [Symbol.asyncDispose]() {
      for (const timer of late) clearTimeout(timer);
      server.forceShutdown();
    },
  };
  return house;
}

const wall = ({ seconds, nanos }: Stamp) => Number(seconds) * 1000 + nanos / 1e6;
const stamp = (ms: number): Stamp => ({ seconds: String(Math.floor(ms / 1000)), nanos: Math.round(ms % 1000) * 1_000_000 });

/** As Google answers: series with points within the interval, the newest point first, page by page. */
function list(request: ListRequest, counts: ReadonlyMap<string, readonly Count[]>, pagePoints: number) {
  const metric = /metric\.type = "([^"]+)"/.exec(request.filter)?.[1] ?? "";
  const named = /one_of\(([^)]*)\)/
    .exec(request.filter)?.[1]
    ?.split(",")
    .map((name) => name.replaceAll('"', ""));
  const from = wall(request.interval.startTime);
  const to = wall(request.interval.endTime);
  const all = [...counts].flatMap(([subscription, own]) => {
    if (named && !named.includes(subscription)) return [];
    const inTime = own.filter(({ at = 0 }) => at > from && at <= to + 1000);
    return [...Map.groupBy(inTime, ({ region = "" }) => region)].flatMap(([region, some]) =>
      seriesOf(metric, subscription, region, some),
    );
  });
  const most = Math.min(request.pageSize || 100_000, pagePoints);
  const start = Number(request.pageToken || 0);
  let end = start;
  for (let points = 0; end < all.length && points + (all[end]?.points.length ?? 0) <= most; end++) {
    points += all[end]?.points.length ?? 0;
  }
  if (request.view === "HEADERS") return { timeSeries: all.map((series) => ({ ...series, points: [] })) };
  return { timeSeries: all.slice(start, end), nextPageToken: end < all.length ? String(end) : "" };
}

/** A series of this metric, if it is one that these numbers are of. */
function seriesOf(metric: string, subscription: string, region: string, counts: readonly Count[]) {
  const kind = metric.replace(service, "");
  if (kind.endsWith("_by_region") !== (region !== "")) return [];
  const ages = kind.startsWith("oldest");
  const points = counts.flatMap(({ undelivered, oldestS, at = 0 }) => {
    const value = ages ? oldestS : undelivered;
    if (value === undefined) return [];
    const interval = { startTime: stamp(at), endTime: stamp(at) };
    return [{ interval, value: { int64Value: String(value) } }];
  });
  if (points.length === 0) return [];
  return [
    {
      metric: { type: metric, labels: region === "" ? {} : { region } },
      resource: { type: "pubsub_subscription", labels: { project_id: "p", subscription_id: subscription } },
      metricKind: "GAUGE",
      valueType: "INT64",
      points,
    },
  ];
}
