import type { Broker } from "../core/contract.ts";
import type { ExternalReader } from "./external-client.ts";
import { openLink } from "./external-link.ts";
import { type ExternalSettings, externalSettings } from "./external-settings.ts";

/** A scaler in another process, by gRPC: KEDA's contract, or Worktide's own. */
export const externalBroker: Broker<ExternalReader, ExternalSettings> = {
  type: "external",
  summary: "A scaler of your own, or one written for KEDA, by gRPC.",
  settings: externalSettings,
  address: ({ address, tls }) => (tls === undefined ? address : `${address}, TLS`),
  async open(settings, signal) {
    const link = await openLink(settings, signal);
    // Nothing of ours is worth waiting for: reads only.
    return { client: link, lost: link.lost, destroy: link.destroy, [Symbol.asyncDispose]: async () => link.destroy() };
  },
};
