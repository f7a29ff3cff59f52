import { setTimeout as pause } from "node:timers/promises";

/** What no test needs unless something is wrong, on a machine however busy, ms: waiting long costs nothing where all is well. */
export const patienceMs = 120_000;

/** Waits until a condition holds, looked at every 10 ms; throws with its name when it does not within `ms`. */
export async function waitFor(what: string, holds: () => boolean | Promise<boolean>, ms = patienceMs): Promise<void> {
  const until = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > until) throw new Error(`waited ${ms} ms in vain for ${what}`);
    await pause(10);
  }
}
