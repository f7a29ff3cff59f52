import { z } from "zod";
import { duration } from "../../src/api/duration.ts";
import { complain, text } from "../../src/api/fields.ts";
import { parseSelector } from "./exposition.ts";
import { pathProblem } from "./json-path.ts";

const place = (what: string, example: string) => text(1024).describe(`${what}. Example: \`${example}\`.`);
const places = ["waiting", "running", "oldestSeconds", "enqueued", "finished", "takenAt"] as const;

export const query = z
  .strictObject({
    path: text(2048)
      .regex(/^\/[^\s#]*$/)
      .meta({ must: "must begin with a slash; the address stands in the connection" })
      .optional()
      .describe("What is asked for, below the connection's address; absent: the address itself. Example: `/queues/mails`."),
    format: z
      .enum(["json", "prometheus"])
      .default("json")
      .describe(
        "`json`: the places below are JSONPaths (RFC 9535). `prometheus`: its text format; they are series. Example: `json`.",
      ),
    waiting: place("Where it stands how many jobs wait; of a list its length counts", "$.waiting"),
    running: place("How many jobs are in hand; without it nothing proves a worker idle", "$.running").optional(),
    oldestSeconds: place("For how long the oldest waiting job has waited", "$.oldestSeconds").optional(),
    enqueued: place("How many jobs ever came: a counter", "$.totals.added").optional(),
    finished: place("How many jobs ever ended: a counter", "$.totals.done").optional(),
    combine: z
      .enum(["one", "sum", "max"])
      .default("one")
      .describe("Where a place leads to several numbers: refuse them, add them up, or take the largest. Example: `sum`."),
    takenAt: place(
      "With `json`: when the numbers were taken, RFC 3339 or since 1970; absent: when asked",
      "$.updatedAt",
    ).optional(),
    maxAge: duration({ min: "1s", max: "24h" })
      .prefault("2m")
      .describe("With `takenAt`, or from a cache that says so: older numbers are not known. Example: `30s`."),
  })
  .superRefine((value, context) => {
    for (const field of places) {
      const found = value[field];
      const message = found === undefined ? undefined : placeProblem(field, found, value.format);
      if (message) complain(context, "number-place", [field], message);
    }
  });
export type Query = z.output<typeof query>;

function placeProblem(field: string, place: string, format: "json" | "prometheus"): string | undefined {
  if (format === "prometheus") {
    if (field === "takenAt") return "must not stand beside `format: prometheus`";
    return parseSelector(place) ? undefined : "must be a series such as 'jobs{queue=\"mails\"}'";
  }
  const problem = pathProblem(place);
  return problem && `must be a JSONPath such as '$.waiting': ${problem}`;
}
