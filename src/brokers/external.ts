import type { Broker } from "../core/contract.ts";
import type { ExternalReader } from "./external-client.ts";
import { openLink } from "./external-link.ts";
import { type ExternalSettings, externalSettings } from "./external-settings.ts";
import { readingSession } from "./session.ts";

/** A scaler in another process, by gRPC: KEDA's contract, or Worktide's own. */
export const externalBroker: Broker<ExternalReader, ExternalSettings> = {
  type: "external",
  summary: "A scaler of your own, or one written for KEDA, by gRPC.",
  settings: externalSettings,
  address: ({ address, tls }) => (tls === undefined ? address : `${address}, TLS`),
  async open(settings, signal) {
    const link = await openLink(settings, signal);
    return readingSession<ExternalReader>(link, link);
  },
};
