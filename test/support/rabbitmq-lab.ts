import assert from "node:assert/strict";
import { rabbitmq } from "../../scalers/rabbitmq.ts";
import { rabbitBroker } from "../../src/brokers/rabbitmq.ts";
import type { RabbitReader } from "../../src/brokers/rabbitmq-client.ts";
import type { Problem, Reading, Result, Session } from "../../src/core/contract.ts";
import type { TestRabbit } from "./rabbitmq.ts";
import { readingOf } from "./reading.ts";
import { waitFor } from "./wait.ts";

export const soon = () => AbortSignal.timeout(20_000);

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
  const session: Session<RabbitReader> = await rabbitBroker.open(settingsFor(server, change), soon());
  const outcomes = (...queries: readonly unknown[]): Promise<readonly Result[]> =>
    rabbitmq.read(
      session.client,
      queries.map((query) => rabbitmq.query.parse(query) as never),
      soon(),
    );
  const read = (query: unknown): Promise<Reading> => readingOf(async () => (await outcomes(query))[0]);
  return {
    session,
    outcomes,
    read,
    async problem(query: unknown): Promise<Problem> {
      const [result] = await outcomes(query);
      assert.ok(result && "problem" in result, JSON.stringify(result));
      return result.problem;
    },
    /** The first reading that fits: statistics take their time. */
    async reading(what: string, query: unknown, fits: (reading: Reading) => boolean): Promise<Reading> {
      let last: Reading | undefined;
      await waitFor(what, async () => {
        last = await read(query);
        return fits(last);
      }).catch((cause: unknown) => {
        throw new Error(`${String(cause)}: ${JSON.stringify(last)}`);
      });
      assert.ok(last);
      return last;
    },
    [Symbol.asyncDispose]: async () => session.destroy(),
  };
}
export type Lab = Awaited<ReturnType<typeof openLab>>;
