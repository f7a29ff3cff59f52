import assert from "node:assert/strict";
import { v1 } from "@google-cloud/pubsub";
import grpc from "@grpc/grpc-js";
import { GoogleAuth, PassThroughClient } from "google-auth-library";
import { gcpPubSub } from "../../scalers/gcpPubSub.ts";
import { createPubSubBroker } from "../../src/brokers/pubsub.ts";
import { type PubSubSettings, pubSubSettings } from "../../src/brokers/pubsub-settings.ts";
import { openScalerLab } from "./scaler-lab.ts";

export const project = "worktide-test";
/** Without waiting in between: tests do not wait for time to pass. */
export const testBroker = createPubSubBroker({ lingerMs: 1, sweepMs: 1 });

const once = { retry: null, timeout: 30_000 };

/** The user's side of an emulator: topics, subscriptions, messages. */
export function pubSubClient(port: number, host = "127.0.0.1") {
  const options = {
    projectId: project,
    servicePath: host,
    port,
    sslCreds: grpc.credentials.createInsecure(),
    auth: new GoogleAuth({ authClient: new PassThroughClient() }) as never,
    "grpc.use_local_subchannel_pool": 1,
  };
  const publisher = new v1.PublisherClient(options);
  const subscriber = new v1.SubscriberClient(options);
  const topicOf = (id: string) => `projects/${project}/topics/${id}`;
  const nameOf = (id: string) => `projects/${project}/subscriptions/${id}`;
  return {
    publisher,
    subscriber,
    nameOf,
    topicOf,
    /** A topic and a subscription of one name; what is there already stays. */
    async make(id: string, settings: Readonly<Record<string, unknown>> = {}) {
      const there = (error: { code?: number }) => assert.equal(error.code, 6, String(error));
      await publisher.createTopic({ name: topicOf(id) }, once).catch(there);
      await subscriber.createSubscription({ name: nameOf(id), topic: topicOf(id), ...settings }, once).catch(there);
    },
    async publish(id: string, count: number) {
      const messages = Array.from({ length: count }, (_, i) => ({ data: Buffer.from(String(i)) }));
      await publisher.publish({ topic: topicOf(id), messages }, once);
    },
    async probes(): Promise<readonly string[]> {
      const [all] = await subscriber.listSubscriptions({ project: `projects/${project}` }, once);
      return all.map(({ name }) => name ?? "").filter((name) => name.includes("/worktide-probe-"));
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([publisher.close(), subscriber.close()]);
    },
  };
}
export type PubSubClient = ReturnType<typeof pubSubClient>;

/** Settings as the broker gets them. */
export const settingsFor = (ports: Readonly<{ emulator: number; monitoring?: number }>, change: object = {}): PubSubSettings =>
  pubSubSettings.parse({
    project,
    emulator: `127.0.0.1:${ports.emulator}`,
    ...(ports.monitoring !== undefined && { monitoringEmulator: `127.0.0.1:${ports.monitoring}` }),
    ...change,
  });

/** A session of ours, and readings of the scaler on it. */
export async function openLab(settings: PubSubSettings) {
  const lab = await openScalerLab(gcpPubSub, testBroker, settings);
  return {
    ...lab,
    listen(query: unknown, hint: () => void): Disposable {
      const listening = gcpPubSub.wake?.(lab.session.client, gcpPubSub.query.parse(query) as never, hint);
      assert.ok(listening);
      return listening;
    },
    // What its probes left behind goes too.
    [Symbol.asyncDispose]: async () => lab.session[Symbol.asyncDispose](),
  };
}
export type Lab = Awaited<ReturnType<typeof openLab>>;
