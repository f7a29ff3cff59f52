import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { largest, record, seed, smallest } from "../../src/core/recommendations.ts";

/** HPA's own: a list that keeps all, and asks each entry whether it is within the window. */
function plainList(first: number) {
  const entries = [{ n: first, at: 0 }];
  return {
    /** The wish of before is noted again right before the next: here decisions come with events. */
    decide(n: number, now: number, upMs: number, downMs: number) {
      entries.push({ n: entries.at(-1)?.n ?? first, at: now });
      let up = n;
      let down = n;
      for (const entry of entries) {
        if (entry.at + upMs > now) up = Math.min(up, entry.n);
        if (entry.at + downMs > now) down = Math.max(down, entry.n);
      }
      entries.push({ n, at: now });
      return { up, down };
    },
  };
}

const wishes = (largestWish: number) =>
  fc.array(fc.record({ n: fc.nat(largestWish), dt: fc.oneof(fc.constantFrom(0, 1, 500, 1000, 5000), fc.nat(20_000)) }), {
    maxLength: 200,
  });
const windowMs = fc.constantFrom(0, 1, 1000, 5000, 60_000, 300_000);

test("the short log says what HPA's plain list says", () => {
  fc.assert(
    fc.property(fc.nat(60), wishes(60), windowMs, windowMs, (first, moves, upMs, downMs) => {
      const list = plainList(first);
      let log = seed(first);
      let now = 0;
      for (const { n, dt } of moves) {
        now += dt;
        const expected = list.decide(n, now, upMs, downMs);
        log = record(log, n, now, { upMs, downMs });
        assert.equal(Math.min(n, smallest(log, now, upMs)?.n ?? n), expected.up);
        assert.equal(Math.max(n, largest(log, now, downMs)?.n ?? n), expected.down);
      }
    }),
  );
});

test("the log stays short over any wishes, and then holds longer, never shorter", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50), { minLength: 300, maxLength: 400 }), (drops) => {
      const list = plainList(100_000);
      let log = seed(100_000);
      let wish = 100_000;
      for (const [index, drop] of drops.entries()) {
        wish -= drop;
        const now = index * 10;
        const { down } = list.decide(wish, now, 0, 3_600_000);
        log = record(log, wish, now, { upMs: 0, downMs: 3_600_000 });
        assert.ok((largest(log, now, 3_600_000)?.n ?? wish) >= down);
        assert.ok(log.down.length <= 64 && log.up.length === 0);
      }
    }),
    { numRuns: 20 },
  );
});
