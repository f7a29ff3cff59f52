import { z } from "zod";
import { text } from "../../src/api/fields.ts";

/** What a trigger on a database declares: the same for each kind of database. */
export const sqlQuery = {
  query: text(20_000)
    .regex(/^[\s(]*([sS][eE][lL][eE][cC][tT]|[wW][iI][tT][hH])\s/)
    .meta({ must: "must be one query that begins with SELECT or WITH" })
    .describe(
      "One query. It returns a number, or columns by name: `waiting`, `running`, `busy`, `oldest_seconds` and others; see below. " +
        "Example: `SELECT count(*) FROM jobs WHERE state = 'waiting'`.",
    ),
  queue: text(512)
    .optional()
    .describe("Of several rows, that with this value in the column `queue`; triggers with one query share it. Example: `mails`."),
  withoutRow: z
    .enum(["Unknown", "Empty"])
    .default("Unknown")
    .describe("With `queue`: what it means that no row has it; GROUP BY makes none for an empty queue. Example: `Empty`."),
};

export type SqlQuery = Readonly<{ query: string; queue?: string | undefined; withoutRow: "Unknown" | "Empty" }>;

/**
 * What the query is about to tell: its columns have to stand in its text by their names, and not as values. Whether they are
 * columns, its answer alone knows.
 */
export const sightOf = (type: string) => (query: SqlQuery) => {
  const text = query.query.replace(/'[^']*'/g, "");
  const [workers, running] = [/\bbusy\b/i.test(text), /\brunning\b/i.test(text)];
  return { running: running || workers, workers, shownBy: `columns \`running\` and \`busy\` named in \`${type}.query\`` };
};
