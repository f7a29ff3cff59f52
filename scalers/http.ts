import { askEach } from "../src/brokers/ask-each.ts";
import { patiently } from "../src/brokers/patience.ts";
import type { WebReader } from "../src/brokers/web-broker.ts";
import type { Result, Scaler } from "../src/core/contract.ts";
import { fetchDocument } from "./http/document.ts";
import { type Query, query } from "./http/query.ts";
import { resultOf } from "./http/reading.ts";

/** Numbers that a service tells by itself. What is not there, is no number or comes several times is not known: never zero. */
export const http: Scaler<Query, WebReader> = {
  type: "http",
  summary: "A page that tells how many jobs wait and run: JSON, or Prometheus' text format.",
  broker: "http",
  query,
  everyMs: 2000,
  sight: ({ running }) => ({
    running: running !== undefined,
    workers: false,
    shownBy: "`http.running` (where it stands how many jobs are in hand)",
  }),

  async read(client, queries, signal) {
    const pages = queries.map(pageOf);
    // Once for all who look into it; a format of two words is no path.
    const documents = await askEach(pages, (page) => fetchDocument(client, ...formatAndPath(page)), signal);
    return queries.map((query, at): Result => {
      const document = documents.get(pages[at] ?? "");
      const look = () => resultOf(query, document, client.epoch);
      const all = JSON.stringify(query);
      return mayTakeLong.test(all) ? (patiently(all, look) ?? tooSlow) : look();
    });
  },
};

/** Filters, with regular expressions or without, and what is looked for at any depth. */
const mayTakeLong = /\?|\.\.|=~|!~/;
const tooSlow: Result = { problem: { kind: "invalid", message: "looking for the numbers takes too long: simplify the places" } };

const pageOf = ({ format, path = "" }: Query): string => `${format} ${path}`;

function formatAndPath(page: string): readonly ["json" | "prometheus", string] {
  const at = page.indexOf(" ");
  return [page.startsWith("json") ? "json" : "prometheus", page.slice(at + 1)];
}
