import { z } from "zod";
import { type CelRule, cel, checkOne, complain, exactlyOne, text, whole } from "../../src/api/fields.ts";
import { compile } from "./windows.ts";

const edge = (what: string, example: string) =>
  text(128).describe(`${what}: minute, hour, day of the month, month, day of the week. Example: \`${example}\`.`);
const size = (what: string, example: string) => whole(0, 100_000).optional().describe(`${what}. Example: \`${example}\`.`);

const fields = {
  from: edge("Cron expression of when it begins", "0 8 * * 1-5"),
  to: edge("Cron expression of when it ends", "0 18 * * 1-5"),
  replicas: size("At least so many replicas meanwhile; the queues may ask for more", "3"),
  atMost: size("At most so many replicas meanwhile, whatever the queues ask for", "10"),
};

const asks: CelRule = { rule: "has(self.replicas) || has(self.atMost)", message: "must have `replicas`, `atMost` or both" };
const differ: CelRule = { rule: "self.from != self.to", message: "`to` must not be the same as `from`" };

const listed = z
  .strictObject(fields)
  .superRefine((window, context) => checkAsk(window, context))
  .meta(cel(asks, differ));

const ways = ["from", "windows"] as const;

/** One window in the trigger itself, or several in a list. */
export const query = z
  .strictObject({
    timezone: text(64).describe("Time zone of the IANA database, with its summer time. Example: `Europe/Berlin`."),
    from: fields.from.optional().describe(fields.from.description ?? ""),
    to: fields.to.optional().describe(fields.to.description ?? ""),
    replicas: fields.replicas,
    atMost: fields.atMost,
    windows: z
      .array(listed)
      .min(1)
      .max(32)
      .optional()
      .describe("Instead of one window: several. The largest `replicas` and the smallest `atMost` of those that are open count."),
  })
  .superRefine((value, context) => {
    const { from, to, windows } = value;
    const beside = to ?? value.replicas ?? value.atMost;
    if (checkOne(ways, value, "one-window", context)) {
      if (windows !== undefined && beside !== undefined) {
        incomplete(context, "must have `to`, `replicas` and `atMost` in each of `windows`, not beside them");
      } else if (from !== undefined && to === undefined) incomplete(context, "must have `to` beside `from`");
      else if (from !== undefined) checkAsk(value, context);
    }
    checkTimes(value, context);
  })
  .meta(
    cel(
      exactlyOne(ways),
      { rule: "has(self.from) == has(self.to)", message: "must have `from` and `to` together" },
      { rule: "!has(self.from) || self.from != self.to", message: differ.message },
      {
        rule: "has(self.windows) != (has(self.replicas) || has(self.atMost))",
        message: "must have `replicas`, `atMost` or both, with `windows` in each of them",
      },
    ),
  );

type Path = readonly (string | number)[];
type Window = Readonly<{ from?: string | undefined; to?: string | undefined; replicas?: unknown; atMost?: unknown }>;

const incomplete = (context: z.RefinementCtx, message: string) =>
  complain(context, "one-window", [], message, { unlessUnknown: true });

function checkAsk({ from, to, replicas, atMost }: Window, context: z.RefinementCtx): void {
  if ((replicas ?? atMost) === undefined) incomplete(context, asks.message);
  if (from !== undefined && from === to) complain(context, "one-window", ["to"], "must not be the same as `from`");
}

function checkTimes(
  { timezone, windows, ...own }: Window & { timezone: string; windows?: readonly Window[] | undefined },
  context: z.RefinementCtx,
) {
  if (!isZone(timezone)) {
    const message = `must be a time zone of the IANA database, such as 'Europe/Berlin'; found '${timezone}'`;
    return complain(context, "time-zone", ["timezone"], message);
  }
  const check = (window: Window, path: Path) => {
    for (const edge of ["from", "to"] as const) {
      const wrong = window[edge] === undefined ? undefined : wrongEdge(window[edge], timezone);
      if (wrong !== undefined) complain(context, "cron-expression", [...path, edge], `${wrong}; found '${window[edge]}'`);
    }
  };
  check(own, []);
  for (const [index, window] of (windows ?? []).entries()) check(window, ["windows", index]);
}

function isZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone }).format(0) !== "";
  } catch {
    return false;
  }
}

const fiveFields = "must be a cron expression of five fields (minute, hour, day of the month, month, day of the week)";

function wrongEdge(expression: string, timezone: string): string | undefined {
  if (!expression.startsWith("@") && expression.trim().split(/\s+/).length !== 5) return fiveFields;
  try {
    return compile(expression, timezone).nextRun() === null ? "must be a time that comes" : undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^CronPattern: /, "").replace("Invalid", "wrong") : String(error);
    return `${fiveFields}: ${why.charAt(0).toLowerCase()}${why.slice(1).replace(/\.$/, "")}`;
  }
}
