import assert from "node:assert/strict";
import { type Broker, BrokerError, type Problem, type Reading, type Result, type Scaler } from "../../src/core/contract.ts";
import { readingOf } from "./reading.ts";

/** A fresh deadline, as the observer gives one to each call; longer, since no good answer may miss it here. */
export const soon = (ms = 60_000): AbortSignal => AbortSignal.timeout(ms);

/** A session, and readings on it. `settings` as the broker gets them: secrets resolved, defaults filled in. */
export async function openScalerLab<Client>(
  scaler: Scaler<never, Client>,
  broker: Pick<Broker<Client>, "open">,
  settings: object,
) {
  const session = await broker.open(settings as never, soon());
  const outcomes = (...queries: readonly unknown[]): Promise<readonly Result[]> =>
    scaler.read(
      session.client,
      queries.map((query) => scaler.query.parse(query) as never),
      soon(),
    );
  return {
    session,
    outcomes,
    read: (query: unknown): Promise<Reading> => readingOf(async () => (await outcomes(query))[0]),
    async problem(query: unknown): Promise<Problem> {
      const [result] = await outcomes(query);
      assert.ok(result && "problem" in result, JSON.stringify(result));
      return result.problem;
    },
    [Symbol.asyncDispose]: async () => session.destroy(),
  };
}

/** The problem that something fails with. */
export async function problemOf(work: Promise<unknown>): Promise<Problem> {
  const error: unknown = await work.then(
    () => assert.fail("it did not fail"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof BrokerError, String(error));
  return error.problem;
}
