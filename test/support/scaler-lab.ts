import assert from "node:assert/strict";
import type { AnyBroker, AnyScaler, Problem, Reading, Result, Session } from "../../src/core/contract.ts";
import { readingOf } from "./reading.ts";

export const soon = (ms = 20_000) => AbortSignal.timeout(ms);

/** A session, and readings on it. `settings` as the broker gets them: secrets resolved, defaults filled in. */
export async function openScalerLab(scaler: AnyScaler, broker: AnyBroker, settings: object) {
  const session: Session<unknown> = await broker.open(settings, soon());
  const outcomes = (...queries: readonly unknown[]): Promise<readonly Result[]> =>
    scaler.read(
      session.client,
      queries.map((query) => scaler.query.parse(query)),
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
  const error = await work.then(
    () => assert.fail("it did not fail"),
    (error: { problem?: Problem }) => error,
  );
  assert.ok(error.problem, String(error));
  return error.problem;
}
