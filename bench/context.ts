import type { Table } from "./figures.ts";

/** What every bench is given. */
export type Context = Readonly<{
  /** Fewer and shorter measures: for a look, not for the record. */
  quick: boolean;
  /** How many times what takes minutes is measured. */
  repeats: number;
  /** One line of progress, for whoever waits. */
  say: (line: string) => void;
}>;

export type Bench = (context: Context) => Promise<readonly Table[]>;
