import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createAsk, type SqlLink } from "../../src/brokers/sql-reader.ts";

const never = new Promise<never>(() => {});
const soon = (ms = 30_000) => AbortSignal.timeout(ms);

/** A connection that answers each query with its text. */
const linkOf = (change: Partial<SqlLink>): SqlLink => ({
  lost: never,
  gone: () => undefined,
  throwIfGone() {},
  begin: async () => "e",
  limit: async () => {},
  query: async (text) => ({ columns: ["text"], rows: [{ text }] }),
  recover: async () => {},
  end: async () => {},
  destroy() {},
  ...change,
});

describe("asking a database", () => {
  for (const [when, change] of [
    ["as a transaction begins", { begin: () => never }],
    ["as a query is asked", { query: () => never }],
    ["as a transaction ends", { end: () => never }],
  ] as const) {
    it(`that goes silent ${when} is not busy: whoever asks is left without an answer, and gives it up`, async () => {
      let silent = false;
      const good = linkOf({});
      const bad = linkOf(change);
      const ask = createAsk(
        linkOf({
          begin: (ms) => (silent ? bad : good).begin(ms),
          query: (text) => (silent ? bad : good).query(text),
          end: () => (silent ? bad : good).end(),
        }),
        1000,
      );
      const [first] = await ask(["SELECT 1"], soon());
      assert.ok(first && "rows" in first);
      silent = true;
      await ask(["SELECT 2"], soon(1000)).catch(() => {});
      await assert.rejects(ask(["SELECT 3"], soon(1900)), "no data, however bad");
    });
  }
});
