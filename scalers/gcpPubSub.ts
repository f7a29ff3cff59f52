import { z } from "zod";
import { monotonicMs } from "../src/brokers/clock.ts";
import type { PubSubReader, SubscriptionRef } from "../src/brokers/pubsub-client.ts";
import type { Scaler } from "../src/core/contract.ts";
import { resultOf } from "./gcpPubSub/reading.ts";

/** An id as Google allows it, alone or as the end of a full name. */
const subscription = /^(projects\/[a-z0-9.:-]{4,128}\/subscriptions\/)?[A-Za-z][A-Za-z0-9._~+%-]{2,254}$/;

const query = z.strictObject({
  subscription: z
    .string()
    .max(512)
    .regex(subscription)
    .meta({ must: "must be the id of a subscription, or its full name 'projects/PROJECT/subscriptions/ID'" })
    .describe("The subscription that the workers pull from; a full name may be of another project. Example: `mails`."),
  byRegion: z
    .boolean()
    .default(false)
    .describe(
      "Add up Google's counts of each region instead of reading its count of all: that one has gaps while a region fails. Example: `true`.",
    ),
  wakeFromZero: z
    .boolean()
    .default(false)
    .describe(
      "Wake the pool within a second of a message: while it is at zero, Worktide keeps a second subscription on the same topic, which " +
        "costs one more delivery of each message. Example: `true`.",
    ),
});
type Query = z.output<typeof query>;

/**
 * Subscriptions of Google Cloud Pub/Sub. Google counts what is not acknowledged, which is what waits and what is in hand
 * together, and tells it minutes late. A subscription without a number is not an empty one.
 */
export const gcpPubSub: Scaler<Query, PubSubReader> = {
  type: "gcpPubSub",
  summary: "A subscription of Google Cloud Pub/Sub that workers pull from.",
  broker: "gcpPubSub",
  query,
  everyMs: 60_000,
  sight: () => ({ running: false, workers: false }),
  wakesFromZero: true,

  async read(client, queries, signal) {
    const asked = queries.map((query) => refOf(query, client.project));
    const { known, blind, epoch } = await client.survey(asked, signal);
    const now = { wall: Date.now(), monotonic: monotonicMs() };
    return known.map((one, at) => resultOf(one, { id: asked[at]?.subscription ?? "", blind, epoch, now }));
  },

  wake(client, query, hint) {
    return query.wakeFromZero ? client.listen(refOf(query, client.project), hint) : undefined;
  },
};

function refOf({ subscription, byRegion }: Query, own: string): SubscriptionRef {
  const [, project = own, , id = subscription] = subscription.split("/");
  return { project, subscription: id, byRegion };
}
