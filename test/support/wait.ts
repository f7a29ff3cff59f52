import { setTimeout as pause } from "node:timers/promises";

/** Waits until a condition holds, looked at every 10 ms; throws with its name when it does not within `ms`. */
export async function waitFor(what: string, holds: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const until = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > until) throw new Error(`waited ${ms} ms in vain for ${what}`);
    await pause(10);
  }
}
