import { env } from "node:process";
import type { protos, v3 } from "@google-cloud/monitoring";
import type { protos as pubSubProtos, v1 } from "@google-cloud/pubsub";
import { BrokerError, type Problem } from "../core/contract.ts";
import { abortable } from "./abortable.ts";
import { type Channel, closeChannel, lossOf } from "./grpc-channel.ts";
import { parseHostPort } from "./host-port.ts";
import { googleProblem } from "./pubsub-problem.ts";
import { type PubSubSettings, parseKeyFile } from "./pubsub-settings.ts";

export type TimeSeries = protos.google.monitoring.v3.ITimeSeries;
export type Subscription = pubSubProtos.google.pubsub.v1.ISubscription;
export type PulledMessages = pubSubProtos.google.pubsub.v1.IStreamingPullResponse;
export type PullStream = ReturnType<v1.SubscriberClient["streamingPull"]>;

/** The calls that are made to Google. Each fails with BrokerError, at the latest when its signal fires. */
export interface Google {
  /** Absent with an emulator that has no Cloud Monitoring beside it. */
  readonly timeSeries?: (
    project: string,
    filter: string,
    interval: Readonly<{ from: number; to: number }>,
    signal: AbortSignal,
  ) => Promise<readonly TimeSeries[]>;
  /** A first answer, which shows that the credential is one. */
  hello(project: string, signal: AbortSignal): Promise<void>;
  subscription(name: string, signal: AbortSignal): Promise<Subscription>;
  subscriptions(project: string, signal: AbortSignal): Promise<readonly Subscription[]>;
  create(subscription: Subscription, signal: AbortSignal): Promise<void>;
  remove(name: string, signal: AbortSignal): Promise<void>;
  pull(): PullStream;
  problem(error: unknown): Problem;
  /** Settles when the way to Google is gone and a try to mend it came to nothing. */
  readonly lost: Promise<Problem>;
  close(): void;
}

/** A call is given up after so long whatever its caller does, ms. */
const callMs = 10_000;
/** What the two lists give in one page at most. */
const seriesPage = 100_000;
const subscriptionsPage = 1000;
/** A silent peer of a stream is found out (Google allows a ping a minute), and who dials anew has a connection of its own. */
const channel = {
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.max_reconnect_backoff_ms": 5000,
};

/** Where an emulator is, if there is one: then Google is not spoken to. */
export const emulatorOf = ({ emulator }: Pick<PubSubSettings, "emulator">): string | undefined =>
  emulator ?? (env["PUBSUB_EMULATOR_HOST"] || undefined);

/** What is asked of Google is bounded by the roles of whoever asks. */
const scopes = ["https://www.googleapis.com/auth/cloud-platform"];

/** Loads Google's clients, which takes some 0.5 s and 60 MiB, only now that somebody needs them. */
export async function openGoogle(settings: PubSubSettings): Promise<Google> {
  const emulator = emulatorOf(settings);
  const key = settings.credentials === undefined || emulator !== undefined ? undefined : parseKeyFile(settings.credentials);
  const [{ v3 }, { v1 }, { credentials }, { GoogleAuth, JWT, PassThroughClient }] = await Promise.all([
    import("@google-cloud/monitoring"),
    import("@google-cloud/pubsub"),
    import("@grpc/grpc-js"),
    import("google-auth-library"),
  ]);
  const identity = key ? new JWT({ email: key.client_email, key: key.private_key, scopes }) : new PassThroughClient();
  // Without either of the two, Google's library looks for the credential of the machine or pod.
  const auth = key || emulator !== undefined ? new GoogleAuth({ authClient: identity }) : undefined;
  const options = (emulated: string | undefined) => ({
    ...channel,
    projectId: settings.project,
    ...(auth && { auth: auth as never }), // by its type it may make clients of any kind
    ...(emulated !== undefined && {
      servicePath: parseHostPort(emulated).host,
      port: parseHostPort(emulated).port,
      sslCreds: credentials.createInsecure(),
    }),
  });
  const blind = emulator !== undefined && settings.monitoringEmulator === undefined;
  const monitoring = blind ? undefined : new v3.MetricServiceClient(options(settings.monitoringEmulator));
  const subscriber = new v1.SubscriberClient(options(emulator));
  return new GoogleClients(subscriber, monitoring, key === undefined ? [] : [key.private_key]);
}

/** What both of Google's clients are of. */
type Stub = Readonly<{ getChannel(): Channel }>;

async function closeClient(client: v1.SubscriberClient | v3.MetricServiceClient, stub: Promise<unknown>): Promise<void> {
  await closeChannel(((await stub) as Stub).getChannel(), () => client.close());
}

class GoogleClients implements Google {
  readonly timeSeries?: NonNullable<Google["timeSeries"]>;
  readonly lost: Promise<Problem>;
  private readonly subscriber: v1.SubscriberClient;
  private readonly monitoring: v3.MetricServiceClient | undefined;
  private readonly secrets: readonly string[];

  constructor(subscriber: v1.SubscriberClient, monitoring: v3.MetricServiceClient | undefined, secrets: readonly string[]) {
    this.subscriber = subscriber;
    this.monitoring = monitoring;
    this.secrets = secrets;
    if (monitoring) this.timeSeries = (...asked) => this.series(monitoring, ...asked);
    const stub: Promise<unknown> = (monitoring ?? subscriber).initialize();
    this.lost = stub.then((one) => lossOf((one as Stub).getChannel())).catch((error: unknown) => this.problem(error));
  }

  private async series(client: v3.MetricServiceClient, ...[project, filter, { from, to }, signal]: SeriesAsked) {
    const request = {
      name: `projects/${project}`,
      filter,
      interval: { startTime: timestamp(from), endTime: timestamp(to) },
      view: "FULL" as const,
      pageSize: seriesPage,
    };
    return this.pages(signal, (page) => client.listTimeSeries({ ...request, ...page }, this.options(signal)));
  }

  async hello(project: string, signal: AbortSignal) {
    const { monitoring, subscriber } = this;
    const now = Date.now();
    const interval = { startTime: timestamp(now - 60_000), endTime: timestamp(now) };
    const name = `projects/${project}`;
    const filter = 'metric.type = "pubsub.googleapis.com/subscription/num_undelivered_messages"';
    const options = this.options(signal);
    const asked: Promise<unknown> = monitoring
      ? monitoring.listTimeSeries({ name, filter, interval, view: "HEADERS", pageSize: 1 }, options)
      : subscriber.listSubscriptions({ project: name, pageSize: 1 }, options);
    await this.ask(asked, signal);
  }

  async subscription(name: string, signal: AbortSignal) {
    const [found] = await this.ask(this.subscriber.getSubscription({ subscription: name }, this.options(signal)), signal);
    return found;
  }

  async subscriptions(project: string, signal: AbortSignal) {
    const request = { project: `projects/${project}`, pageSize: subscriptionsPage };
    return this.pages(signal, (page) => this.subscriber.listSubscriptions({ ...request, ...page }, this.options(signal)));
  }

  async create(subscription: Subscription, signal: AbortSignal) {
    await this.ask(this.subscriber.createSubscription(subscription, this.options(signal)), signal);
  }

  async remove(name: string, signal: AbortSignal) {
    await this.ask(this.subscriber.deleteSubscription({ subscription: name }, this.options(signal)), signal);
  }

  pull() {
    return this.subscriber.streamingPull({ retry: null });
  }

  problem(error: unknown) {
    return googleProblem(error, this.secrets);
  }

  close() {
    // What was never asked, or never came to be, has nothing to close.
    const { subscriber, monitoring } = this;
    if (subscriber.subscriberStub) closeClient(subscriber, subscriber.subscriberStub).catch(() => {});
    if (monitoring?.metricServiceStub) closeClient(monitoring, monitoring.metricServiceStub).catch(() => {});
  }

  /** Nothing is tried twice behind our back: the next round is the next try. */
  private options(signal: AbortSignal) {
    return { retry: null, timeout: callMs, autoPaginate: false, signal };
  }

  private async ask<T>(asked: Promise<T>, signal: AbortSignal): Promise<T> {
    try {
      return await abortable(asked, signal);
    } catch (error) {
      throw new BrokerError(this.problem(error), { cause: error });
    }
  }

  /** All pages of a list. The clients give the list, the request of the next page, and the answer. */
  private async pages<Item>(
    signal: AbortSignal,
    page: (at: { pageToken?: string }) => Promise<[Item[], unknown, { nextPageToken?: string | null }, ...unknown[]]>,
  ): Promise<readonly Item[]> {
    const all: Item[] = [];
    let pageToken: string | undefined;
    do {
      const [items, , answer] = await this.ask(page(pageToken === undefined ? {} : { pageToken }), signal);
      for (const item of items) all.push(item);
      pageToken = answer?.nextPageToken || undefined;
    } while (pageToken !== undefined);
    return all;
  }
}
type SeriesAsked = Parameters<NonNullable<Google["timeSeries"]>>;

const timestamp = (ms: number) => ({ seconds: Math.floor(ms / 1000), nanos: Math.round(ms % 1000) * 1_000_000 });
