import assert from "node:assert/strict";
import { rabbitmq } from "../../scalers/rabbitmq.ts";
import { rabbitBroker } from "../../src/brokers/rabbitmq.ts";
import type { Reading } from "../../src/core/contract.ts";
import type { TestRabbit } from "./rabbitmq.ts";
import { openScalerLab } from "./scaler-lab.ts";
import { waitFor } from "./wait.ts";

/** Settings of a QueueConnection for a test server, as the broker gets them. */
export function settingsFor(server: TestRabbit, change: Readonly<Record<string, unknown>> = {}) {
  const { username, password, management = {}, ...declared } = change as Record<string, unknown>;
  const parsed = rabbitBroker.settings.parse({
    url: server.url,
    management: { url: server.managementUrl, ...(management as object) },
    ...declared,
  });
  return { ...parsed, ...(username !== undefined && { username, password }) } as never;
}

/** A session of ours, and readings of the scaler `rabbitmq` on it. */
export async function openLab(server: TestRabbit, change: Readonly<Record<string, unknown>> = {}) {
  const lab = await openScalerLab(rabbitmq, rabbitBroker, settingsFor(server, change));
  return {
    ...lab,
    /** The first reading that fits: statistics take their time. */
    async reading(what: string, query: unknown, fits: (reading: Reading) => boolean): Promise<Reading> {
      let last: Reading | undefined;
      await waitFor(what, async () => {
        last = await lab.read(query);
        return fits(last);
      }).catch((cause: unknown) => {
        throw new Error(`${String(cause)}: ${JSON.stringify(last)}`);
      });
      assert.ok(last);
      return last;
    },
  };
}
export type Lab = Awaited<ReturnType<typeof openLab>>;
