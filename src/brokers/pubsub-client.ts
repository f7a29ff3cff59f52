import type { Problem } from "../core/contract.ts";

/** One subscription of a project. */
export type SubscriptionRef = Readonly<{ project: string; subscription: string; byRegion: boolean }>;

/** What Cloud Monitoring told last of one subscription. */
export type Gauge = Readonly<{
  /** Messages that are not acknowledged: those that wait, and those that some worker has. */
  undelivered: number;
  /** Age of the oldest of them at that time, ms. */
  oldestMs?: number;
  /** When Google took the number: ms since 1970. */
  at: number;
  /** What it is the sum of: one part, or one for each region that has told something lately. */
  parts: readonly Part[];
}>;

/** The newest number of one region; its name is empty where it is that of all. */
export type Part = Readonly<{ region: string; value: number; at: number }>;

/** What a subscription is set to, as far as it matters to a pool that sleeps. */
export type SubscriptionSettings = Readonly<{
  topic: string;
  filter: string;
  detached: boolean;
  /** Google delivers by itself: nobody pulls. */
  pushed: boolean;
  ackDeadlineMs: number;
  deadLetter: boolean;
  exactlyOnce: boolean;
  /** Without a subscriber for so long it is deleted; absent: never. */
  expiresMs?: number;
}>;

/** What a probe has heard since a gauge was taken. */
export type Heard = Readonly<{
  /** Messages published at or after that time. */
  since(wall: number): number;
  /** Why it does not hear now. */
  problem?: Problem;
}>;

/** All that is known of one subscription. */
export type Known = Readonly<{
  gauge?: Gauge;
  settings?: SubscriptionSettings;
  /** Why the settings are not known. */
  unsettled?: Problem;
  heard?: Heard;
}>;

/** One answer: in the order of the question. */
export type Survey = Readonly<{
  known: readonly (Known | Problem)[];
  /** Present with an emulator that has no Cloud Monitoring beside it: there is no gauge at all. */
  blind?: string;
  epoch: string;
}>;

/** What scalers ask of Pub/Sub. Every method fails with BrokerError when the connection does. */
export interface PubSubReader {
  readonly kind: "gcpPubSub";
  /** The project of the connection. */
  readonly project: string;
  /** Reads these: one list of time series per metric and project, and settings that are older than a minute. */
  survey(subscriptions: readonly SubscriptionRef[], signal: AbortSignal): Promise<Survey>;
  /**
   * Calls `hint` when a message is published, by a probe subscription of our own beside this one; it is made now, and removed
   * some seconds after the last listener has gone.
   */
  listen(subscription: SubscriptionRef, hint: () => void): Disposable;
}
