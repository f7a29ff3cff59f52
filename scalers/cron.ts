import type { z } from "zod";
import type { WallClock } from "../src/brokers/wall-clock.ts";
import type { Scaler } from "../src/core/contract.ts";
import { query } from "./cron/query.ts";
import { type Span, spanAt } from "./cron/schedule.ts";
import { compile, type Declared, type Window } from "./cron/windows.ts";

type Query = z.output<typeof query>;

/** A schedule, and what it asks for at the moment; kept, since both are worked out anew at its edges only. */
type Schedule = { readonly windows: readonly Window[]; span: Span | undefined };

const schedules = new WeakMap<Query, Schedule>();

/** Asks for replicas by time. It wakes at each edge of a window; its interval finds a clock that was set. */
export const cron: Scaler<Query, WallClock> = {
  type: "cron",
  summary: "A schedule: at least, or at most, so many replicas at some times of the day or week.",
  broker: "clock",
  query,
  everyMs: 10_000,
  wants: true,
  sight: () => ({ running: false, workers: false }),

  async read(clock, queries, signal) {
    signal.throwIfAborted();
    const now = clock.now();
    return queries.map((query) => ({ reading: spanOf(query, now).reading }));
  },

  wake(clock, query, hint) {
    let edge: Disposable | undefined;
    const arm = () => {
      const { to } = spanOf(query, clock.now());
      if (to < Number.POSITIVE_INFINITY) edge = clock.at(to, come);
    };
    const come = () => {
      hint();
      arm();
    };
    arm();
    return { [Symbol.dispose]: () => edge?.[Symbol.dispose]() };
  },
};

function spanOf(query: Query, now: number): Span {
  const schedule = scheduleOf(query);
  const { span } = schedule;
  if (span !== undefined && span.from <= now && now < span.to) return span;
  schedule.span = spanAt(schedule.windows, query.timezone, now);
  return schedule.span;
}

function scheduleOf(query: Query): Schedule {
  const known = schedules.get(query);
  if (known !== undefined) return known;
  const { timezone, from, to, replicas, atMost, windows } = query;
  const declared: readonly Declared[] = windows ?? [{ from: from ?? "", to: to ?? "", replicas, atMost }];
  const compiled = declared.map(({ from, to, ...ask }) => ({ ...ask, from: compile(from, timezone), to: compile(to, timezone) }));
  const schedule: Schedule = { windows: compiled, span: undefined };
  schedules.set(query, schedule);
  return schedule;
}
