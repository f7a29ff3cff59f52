import type { FormulaFacts, TriggerFacts } from "./facts.ts";
import { evaluate, type Formula, triggersIn } from "./formula.ts";
import { list } from "./words.ts";

/** What a formula gives now: for the triggers that are known, and with the last good values of the others. */
export function formulaFacts({ text, expression }: Formula, triggers: readonly TriggerFacts[]): FormulaFacts {
  const wants = triggers.map((trigger) => (trigger.known ? wantsOf(trigger) : undefined));
  const recent = triggers.map((trigger) => (trigger.known || trigger.recent ? wantsOf(trigger) : undefined));
  const named = triggersIn(expression).map((index) => ({ name: triggers[index]?.rule.name ?? "", wants: wants[index] }));
  const values = named.map(({ name, wants }) => `${name} ${wants ?? "not known"}`).join(", ");
  const exact = evaluate(expression, wants);
  const last = finite(evaluate(expression, recent));
  const gives = exact === undefined ? "is not known" : `= ${shown(exact)}`;
  const said = `formula ${text} ${gives}${values === "" ? "" : ` (${values})`}`;
  const rest = { said, ...(last !== undefined && { lastGood: last }) };
  const sure = finite(exact);
  if (sure !== undefined) return { exact: sure, ...rest };
  if (exact !== undefined) return { blind: `${said}, which is no size`, ...rest };
  const missing = named.filter(({ wants }) => wants === undefined).map(({ name }) => name);
  return { blind: `the formula needs ${list(missing)}`, ...rest };
}

/** As it is without tolerance, which counts once: for what the formula gives. */
const wantsOf = ({ demand }: TriggerFacts): number | undefined => demand?.beyond ?? demand?.wants;

/** Less than nothing is nothing; what is no number is no size. */
const finite = (value: number | boolean | undefined): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? Math.max(0, value) : undefined;

const shown = (value: number | boolean): string =>
  typeof value === "number" && Number.isFinite(value) ? String(Math.round(value * 1000) / 1000) : String(value);
