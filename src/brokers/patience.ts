import { threadCpuUsage } from "node:process";
import { createContext, Script } from "node:vm";
import { monotonicMs } from "./clock.ts";

/** So long one expression may take, ms. To watch over it costs some 80 µs. */
const limitMs = 200;
/** So long it is left alone then: one that never ends costs a hundredth of the time. */
const restMs = 20_000;
const mostTries = 3;

const context = createContext({ work: undefined });
const script = new Script("work()");
const restUntil = new Map<string, number>();

/**
 * What `work` gives; undefined where it was not done in time, or was not lately. Regular expressions and paths that others
 * wrote may backtrack for ever, and nothing else interrupts them: all triggers would wait. `expression` tells them apart.
 */
export function patiently<T extends {}>(expression: string, work: () => T): T | undefined {
  if ((restUntil.get(expression) ?? 0) > monotonicMs()) return undefined;
  restUntil.delete(expression);
  context["work"] = work;
  try {
    for (let tries = 1; ; tries++) {
      const before = threadCpuUsage();
      try {
        return script.runInContext(context, { timeout: limitMs }) as T;
      } catch (error) {
        if ((error as { code?: unknown }).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
      }
      const { user, system } = threadCpuUsage(before);
      // Whoever got little of a processor in that time is not slow: the machine is busy, or stood still.
      if (tries === mostTries || user + system > limitMs * 500) break;
    }
  } finally {
    context["work"] = undefined;
  }
  restUntil.set(expression, monotonicMs() + restMs);
  return undefined;
}
