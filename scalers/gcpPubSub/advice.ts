import type { Known, SubscriptionSettings } from "../../src/brokers/pubsub-client.ts";

/** What Google's clients lease a message for at least, where it is to be delivered once. */
const leastOnceMs = 60_000;
const dayMs = 86_400_000;

/** Settings that a pool which grows, shrinks and sleeps will suffer from, each with the way out. */
export function adviceOf({ settings, unsettled, heard }: Known): readonly string[] {
  const told = settings ? ofSettings(settings) : [];
  if (unsettled) told.push(`its settings cannot be read (${unsettled.message}): give \`roles/pubsub.viewer\``);
  if (heard?.problem) told.push(`a message does not wake it at once: the probe subscription fails (${heard.problem.message})`);
  return told;
}

function ofSettings({ topic, deadLetter, exactlyOnce, ackDeadlineMs, expiresMs }: SubscriptionSettings): string[] {
  const told: string[] = [];
  if (topic === "_deleted-topic_") told.push("its topic was deleted: nothing new comes; make it anew on another topic");
  if (!deadLetter) {
    told.push("it has no dead letter topic: a message that no worker can do comes back for ever, and keeps a worker up for ever");
  }
  if (exactlyOnce && ackDeadlineMs < leastOnceMs) {
    const seconds = ackDeadlineMs / 1000;
    told.push(
      `it delivers exactly once with an acknowledgement deadline of ${seconds} s: a later one is refused and the job is done again; give 60 s or more`,
    );
  }
  if (expiresMs !== undefined) {
    const days = Math.round(expiresMs / dayMs);
    told.push(`Google deletes it after ${days} days without a subscriber, as a pool at zero is: let it never expire`);
  }
  return told;
}
