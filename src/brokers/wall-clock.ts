import { z } from "zod";
import type { Broker } from "../core/contract.ts";
import { readingSession } from "./session.ts";

/** The wall clock, ms since 1970: what schedules read. */
export interface WallClock {
  now(): number;
  /** Calls `come` once the clock shows `at` or more, until what it returns is disposed of. */
  at(at: number, come: () => void): Disposable;
}

/** A wall clock may be set, and a machine may sleep: looked at so often, ms. */
const longestSleepMs = 30_000;

/** @param now ms since 1970. */
export function createWallClock(now: () => number): WallClock {
  return {
    now,
    at(at, come) {
      let timer: NodeJS.Timeout;
      const arm = () => {
        timer = setTimeout(look, Math.min(longestSleepMs, Math.max(1, Math.ceil(at - now()))));
        timer.unref();
      };
      const look = () => (now() >= at ? come() : arm());
      arm();
      return { [Symbol.dispose]: () => clearTimeout(timer) };
    },
  };
}

type None = Readonly<Record<string, never>>;

/** The clock of the machine that Worktide runs on. There is nothing to connect to, and nothing that could be lost. */
export function wallClockBroker(now: () => number = Date.now): Broker<WallClock, None> {
  const session = readingSession(createWallClock(now), { lost: new Promise(() => {}), destroy() {} });
  return {
    type: "clock",
    summary: "The clock of the machine that Worktide runs on.",
    settings: z.strictObject({}),
    address: () => "clock",
    open: async () => session,
    inherent: () => ({}),
  };
}
