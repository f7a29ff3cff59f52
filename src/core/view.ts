import type { TriggerView } from "./decision.ts";
import { goalOf, type TriggerFacts } from "./facts.ts";
import { readingText } from "./words.ts";

/** One trigger as people see it. */
export function viewOf(trigger: TriggerFacts): TriggerView {
  const { rule, reading, known, recent, blind, active, demand, ageMs } = trigger;
  const said = reading === undefined ? "" : readingText(reading);
  return {
    name: rule.name,
    state: known ? "known" : recent ? "stale" : "unknown",
    ...(demand === undefined || !(known || recent) ? undefined : { wants: demand.wants }),
    active: active && (known || recent),
    reading: told(said, blind, known),
    goal: goalOf(trigger),
    ...(ageMs === undefined ? undefined : { ageMs }),
  };
}

function told(said: string, blind: string | undefined, known: boolean): string {
  if (blind === undefined) return said;
  if (said === "") return blind;
  return known ? `${said}, ${blind}` : `${blind} (last ${said})`;
}
