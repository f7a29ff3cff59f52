import type { Broker, Session } from "../core/contract.ts";
import { abortable } from "./abortable.ts";
import { createCatalog } from "./pubsub-catalog.ts";
import type { PubSubReader } from "./pubsub-client.ts";
import { emulatorOf, type Google, openGoogle } from "./pubsub-google.ts";
import { createProbes, type ProbeTimes } from "./pubsub-probes.ts";
import { createReader } from "./pubsub-reader.ts";
import { type PubSubDeclared, type PubSubSettings, pubSubSettings } from "./pubsub-settings.ts";
import { createEnding } from "./session.ts";

const usual: ProbeTimes = { lingerMs: 5000, sweepMs: 60_000 };

/**
 * Google Cloud Pub/Sub, whose backlog Cloud Monitoring tells. The service account needs `roles/monitoring.viewer` and
 * `roles/pubsub.viewer`; for wake-ups besides `pubsub.subscriptions.create`, `.consume` and `.delete` in the project, and
 * `pubsub.topics.attachSubscription` of the topics.
 */
export const pubSubBroker = createPubSubBroker(usual);

export function createPubSubBroker(times: ProbeTimes): Broker<PubSubReader, PubSubSettings> {
  return {
    type: "gcpPubSub",
    summary: "Google Cloud Pub/Sub, with the backlog that Cloud Monitoring tells.",
    settings: pubSubSettings,
    answerMs: 10_000,
    address: describe,
    async open(settings, signal) {
      const opening = openGoogle(settings);
      const google = await abortable(opening, signal).catch((error) => {
        void opening.then(
          (late) => late.close(),
          () => {},
        );
        throw error;
      });
      try {
        await google.hello(settings.project, signal);
        return sessionOf(google, settings, times);
      } catch (error) {
        google.close();
        throw error;
      }
    },
  };
}

function sessionOf(google: Google, { project, probeOwner }: PubSubSettings, times: ProbeTimes): Session<PubSubReader> {
  const catalog = createCatalog(google);
  const probes = createProbes({ google, catalog, owner: probeOwner, ...times });
  const { lost, gone, throwIfGone, destroy } = createEnding(() => {
    probes.cut();
    google.close();
  });
  void google.lost.then(destroy);
  return {
    client: createReader({ google, project, catalog, probes, throwIfGone }),
    lost,
    destroy,
    async [Symbol.asyncDispose]() {
      if (!gone()) await probes.remove();
      destroy();
    },
  };
}

/** Also of settings as they are declared. */
function describe(settings: PubSubSettings | PubSubDeclared): string {
  const emulator = emulatorOf(settings);
  return `Pub/Sub of project ${settings.project}${emulator === undefined ? "" : ` at the emulator ${emulator}`}`;
}
