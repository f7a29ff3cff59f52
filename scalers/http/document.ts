import { monotonicMs } from "../../src/brokers/clock.ts";
import { parseJson, refusalOf } from "../../src/brokers/web.ts";
import type { WebReader } from "../../src/brokers/web-broker.ts";
import type { Problem } from "../../src/core/contract.ts";
import { parseExposition, parseSelector, valuesOf } from "./exposition.ts";
import { asNumber, asTime, valuesAt } from "./json-path.ts";

export type Format = "json" | "prometheus";

/** A document that was asked for, and how to find numbers in it. */
export type Document = Readonly<{
  askedAt: number;
  /** For how long a cache has kept it, ms. */
  keptMs: number;
  numbers(place: string): readonly number[];
  /** How old a time in it was, ms, when the service gave it, by its own clock; NaN where there is none. */
  age(place: string): number;
}>;

/** Asks for one document. Throws BrokerError where there is no answer. */
export async function fetchDocument({ ask }: WebReader, format: Format, path: string): Promise<Document | Problem> {
  const askedAt = monotonicMs();
  const answer = await ask(path);
  const refused = refusalOf(answer);
  // Without its query: that may carry a key.
  if (refused) return { ...refused, message: `${path.replace(/\?.*/s, "") || "the address"}: ${refused.message}` };
  const age = { askedAt, keptMs: answer.keptMs };
  if (format === "prometheus") return pageDocument(answer.text, age);
  // Without a clock of its own: as it is now by ours, and so far as it was given now.
  return jsonDocument(answer.text, age, answer.date ?? Date.now() - answer.keptMs);
}

type Age = Pick<Document, "askedAt" | "keptMs">;

function jsonDocument(text: string, own: Age, now: number): Document {
  const value = parseJson(text);
  return {
    ...own,
    numbers: (place) => valuesAt(value, place).map(asNumber),
    age(place) {
      const times = valuesAt(value, place).map(asTime);
      return times.length === 0 ? Number.NaN : now - times.reduce((first, one) => Math.min(first, one));
    },
  };
}

function pageDocument(text: string, own: Age): Document | Problem {
  const lines = parseExposition(text);
  if (typeof lines === "number") {
    return { kind: "invalid", message: `answers with something that is not Prometheus' text format (line ${lines})` };
  }
  return {
    ...own,
    numbers(place) {
      const selector = parseSelector(place);
      return selector === undefined ? [] : valuesOf(lines, selector);
    },
    age: () => Number.NaN,
  };
}
