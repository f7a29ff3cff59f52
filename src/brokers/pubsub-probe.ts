import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { BrokerError, type Problem } from "../core/contract.ts";
import type { Catalog } from "./pubsub-catalog.ts";
import { assertSettings } from "./pubsub-catalog.ts";
import type { Heard, SubscriptionRef } from "./pubsub-client.ts";
import type { Google, PulledMessages, PullStream } from "./pubsub-google.ts";

/** One probe subscription: it hears of each message that is published to the topic of another one, and throws it away. */
export interface Probe extends Heard {
  /** Its full name. */
  readonly name: string;
  /** How many messages it has heard of at all. */
  total(): number;
  /** Stops hearing, and removes the subscription. Never rejects. */
  remove(signal: AbortSignal): Promise<void>;
  /** Stops hearing; the subscription stays. */
  cut(): void;
}

export type ProbeOptions = Readonly<{ google: Google; catalog: Catalog; owner: string; hint: () => void }>;

/** The label that every probe carries, with its owner as the value. */
export const probeLabel = "worktide-probe";
const prefix = "worktide-probe-";
/** The least that Google allows of each: what is left behind costs next to nothing, and goes by itself. */
const leastRetention = { seconds: 600 };
const leastLife = { seconds: 86_400 };
const ackSeconds = 10;
const callMs = 10_000;
/** Between two tries to hear, ms: doubled from the first to the second. */
const againMs = { least: 500, most: 30_000 };
/** No message is of use for longer than Cloud Monitoring takes to count it, ms. */
const rememberedMs = 600_000;
const mostTimes = 5000;

/** Makes the subscription, or takes over the one of a run before, and hears until it is cut or removed. */
export function startProbe(ref: SubscriptionRef, { google, catalog, owner, hint }: ProbeOptions): Probe {
  const ending = new AbortController();
  const heard = createTally();
  const name = `projects/${ref.project}/subscriptions/${prefix}${digestOf(owner, ref)}`;
  let stream: PullStream | undefined;
  let problem: Problem | undefined;
  let made = false;

  const make = async (): Promise<void> => {
    const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(callMs)]);
    const entry = (await catalog.of(ref.project, [ref.subscription], signal)).get(ref.subscription);
    if (entry === undefined) throw new BrokerError({ kind: "internal", message: "the subscription was left out" });
    const { topic, filter } = assertSettings(entry);
    const subscription = {
      name,
      topic,
      filter,
      labels: { [probeLabel]: owner },
      ackDeadlineSeconds: ackSeconds,
      messageRetentionDuration: leastRetention,
      expirationPolicy: { ttl: leastLife },
    };
    made = true; // who is cut off while asking may be answered yes
    await google.create(subscription, signal).catch((error) => {
      if (!/ALREADY_EXISTS/.test(String(error))) throw error;
    });
  };

  const hear = (): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const opened = google.pull();
    stream = opened;
    opened.on("error", reject).on("end", resolve);
    opened.on("data", ({ receivedMessages }: PulledMessages) => {
      problem = undefined;
      const messages = receivedMessages ?? [];
      opened.write({ ackIds: messages.map(({ ackId }) => ackId) });
      for (const { message } of messages) heard.add(wallOf(message?.publishTime));
      if (messages.length > 0) hint();
    });
    opened.write({ subscription: name, streamAckDeadlineSeconds: ackSeconds, clientId: owner });
    return promise;
  };

  /** Google ends every stream now and then; that is no reason to wait long. */
  const run = async (): Promise<void> => {
    let waitMs = againMs.least;
    while (!ending.signal.aborted) {
      const before = heard.total();
      try {
        await make();
        problem = undefined;
        await hear();
      } catch (error) {
        if (ending.signal.aborted) return;
        problem = google.problem(error);
      }
      waitMs = heard.total() > before ? againMs.least : Math.min(againMs.most, waitMs * 2);
      await pause(waitMs * (0.5 + Math.random() / 2), undefined, { signal: ending.signal, ref: false }).catch(() => {});
    }
  };

  const cut = () => {
    ending.abort();
    stream?.cancel();
  };
  const running = run();

  return {
    name,
    since: heard.since,
    total: heard.total,
    get problem() {
      return problem;
    },
    cut,
    async remove(signal) {
      cut();
      await running;
      if (made) await google.remove(name, signal).catch(() => {}); // it goes by itself after a day
    },
  } as Probe;
}

/** Messages by the time when they were published; by the second, where there are very many. */
function createTally() {
  const counts = new Map<number, number>();
  let total = 0;
  return {
    add(publishedAt: number) {
      const at = counts.size < mostTimes ? publishedAt : Math.ceil(publishedAt / 1000) * 1000;
      counts.set(at, (counts.get(at) ?? 0) + 1);
      total += 1;
      for (const old of counts.keys()) {
        if (old > publishedAt - rememberedMs) break;
        counts.delete(old);
      }
    },
    since(wall: number) {
      let sum = 0;
      for (const [at, count] of counts) if (at >= wall) sum += count;
      return sum;
    },
    total: () => total,
  };
}

/** A message without a time is of now. */
function wallOf(time: { seconds?: unknown; nanos?: number | null } | null | undefined): number {
  const ms = Number(time?.seconds) * 1000 + Math.floor(Number(time?.nanos ?? 0) / 1e6);
  return Number.isFinite(ms) ? ms : Date.now();
}

/** The same name for the same subscription in the next run: what a crash left behind is taken over. */
function digestOf(owner: string, { project, subscription }: SubscriptionRef): string {
  return createHash("sha256")
    .update(JSON.stringify([owner, project, subscription]))
    .digest("hex")
    .slice(0, 20);
}
