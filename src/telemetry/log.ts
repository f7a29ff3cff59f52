import type { Logger } from "pino";
import { pino } from "pino";
import { createLimit } from "./limit.ts";
import { prettyLine } from "./pretty.ts";
import type { Redactor } from "./redact.ts";
import { redactor as processRedactor } from "./redact.ts";

/** A constant message and one object of fields: `log.info({ worker, from, to }, "scaled")`. */
export type Log = Logger;

export type LogLevel = "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";

export type LogOptions = Readonly<{
  level: LogLevel;
  /** `pretty` is for a terminal: the caller chooses it where the destination is one. */
  format: "json" | "pretty";
  /** Takes whole lines: `process.stderr`, or what a test reads. */
  destination: Readonly<{ write(text: string): unknown }>;
  /** Colours in the pretty format. Default false. */
  color?: boolean;
  redactor?: Redactor;
  /** Monotonic ms, for the flood limit. */
  clock?: () => number;
}>;

/** One message may come this often at once, and then once a second: 1,000 objects that lose one broker say so 50 times. */
const burst = 50;
const perSecond = 1;

/**
 * The log of this process: JSON lines or a pretty form of the same, every line redacted. Repeats of one constant
 * message are limited; the next one that passes carries how many are left out, as `leftOut`. Debug and trace are not.
 */
export function createLog(options: LogOptions): Log {
  const { level, format, destination, color = false, redactor = processRedactor } = options;
  const limit = createLimit({ clock: options.clock ?? (() => performance.now()), burst, perSecond });
  const write = (line: string) => {
    const clean = redactor.redactJson(line);
    destination.write(format === "json" ? withEnd(clean) : prettyLine(clean, color));
  };
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      hooks: {
        logMethod(args, method, number) {
          if (number < 30) return method.apply(this, args);
          const [first, ...rest] = args as [unknown, ...unknown[]];
          const passage = limit(`${number} ${typeof first === "string" ? first : rest[0]}`);
          if (!passage.pass) return;
          if (passage.missed === 0) return method.apply(this, args);
          const leftOut = passage.missed;
          const noted = typeof first === "string" ? [{ leftOut }, ...args] : [{ ...fieldsOf(first), leftOut }, ...rest];
          return method.apply(this, noted as Parameters<typeof method>);
        },
      },
    },
    { write },
  );
}

/** JSON that was taken apart has lost its line end. */
function withEnd(line: string): string {
  return line.endsWith("\n") ? line : `${line}\n`;
}

/** An Error as first argument is pino's `err`. */
function fieldsOf(first: unknown): object {
  if (first instanceof Error) return { err: first };
  return typeof first === "object" && first !== null ? first : {};
}
