import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { Environment } from "@marcbachmann/cel-js";
import fc from "fast-check";
import { findingText } from "../../src/api/finding.ts";
import { parseFormula, variableOf } from "../../src/api/formula.ts";
import { evaluate } from "../../src/core/formula.ts";
import { edited, findings, good, parse } from "./documents.ts";

const triggers = ["mails", "reports", "working-hours"];

/** What a formula gives for these three; fails where it is refused. */
function value(text: string, ...wants: readonly (number | undefined)[]): number | boolean | undefined {
  const parsed = parseFormula(text, triggers);
  assert.ok(!("wrong" in parsed), JSON.stringify(parsed));
  return evaluate(parsed.expression, wants);
}

const wrong = (text: string): string => {
  const parsed = parseFormula(text, triggers);
  return "wrong" in parsed ? parsed.wrong : `fine: ${JSON.stringify(parsed)}`;
};

describe("a formula", () => {
  const cases: readonly (readonly [text: string, gives: number])[] = [
    ["max(mails, reports / 2.0)", 6],
    ["max(mails, reports, 20)", 20],
    ["min(mails + reports, 15, 16.0)", 13],
    ["mails + reports / 2", 9.5],
    ["2 * mails - 1", 11],
    ["7 / 2", 3],
    ["7 / 2.0", 3.5],
    ["-7 / 2", -3],
    ["7 % 4", 3],
    ["ceil(reports / 2.0) + floor(reports / 2.0)", 7],
    ["reports > 5 && mails == 6 ? mails : 1.0", 6],
    ["working_hours > 0 ? max(mails, 2) : mails", 6],
    ["!(mails != 6.0) || mails < 1.0 ? 1 : 2", 1],
    ["known(mails) ? mails : 3.0", 6],
  ];
  for (const [text, gives] of cases) it(`${text} is ${gives}`, () => assert.equal(value(text, 6, 7, 1), gives));

  it("that needs a trigger that is not known is not known, unless it asks", () => {
    const gone = (text: string) => value(text, undefined, 4, 1);
    assert.equal(gone("max(mails, reports)"), undefined);
    assert.equal(gone("mails * 0"), undefined);
    assert.equal(gone("known(mails) ? mails : 3.0"), 3);
    assert.equal(gone("known(mails) ? max(mails, reports) : reports"), 4);
    assert.equal(gone("reports > 1 ? reports : mails"), 4);
    assert.equal(gone("mails > 1 ? 1 : 2"), undefined);
    assert.equal(gone("mails > 1 && reports > 9 ? 1 : 2"), 2);
    assert.equal(gone("mails > 1 || reports > 1 ? 1 : 2"), 1);
  });

  const refused: readonly (readonly [text: string, message: RegExp])[] = [
    ["max(mils, reports)", /^must name triggers; there is none that is written 'mils': did you mean `mails`\?$/],
    ["max(orders, reports)", /'orders': there are `mails`, `reports`, `working_hours`$/],
    ["max(mails, working-hours)", /^must write trigger 'working-hours' as `working_hours`$/],
    ["mails +", /^must be a formula in CEL: unexpected token: EOF at character 8$/],
    ["mails > 2", /^must give a number; it gives bool$/],
    ["'mails'", /^must give a number; it gives string$/],
    ["mails > 2 ? mails : 0", /got 'double' and 'int'.*write 2.0 in place of 2/],
    ["mails + true", /^must be a formula in CEL: no such overload: double \+ bool/],
    ["sum(mails, reports)", /no matching overload for 'sum\(double, double\)'/],
    ["known(mails + 1.0) ? 1 : 2", /^must have the name of a trigger in `known\(…\)`$/],
    ["size([1, 2])", /^must be made of triggers, numbers/],
    ["[1, 2].map(x, x * 2).size()", /^must be made of triggers, numbers/],
    ["int('3')", /^must be made of triggers, numbers/],
    ["99999999999999999999", /^must have smaller numbers$/],
    [`${"(".repeat(200)}1${")".repeat(200)}`, /^must be shorter$/],
    [Array.from({ length: 300 }, () => "1").join("+"), /^must be shorter$/],
  ];
  for (const [text, message] of refused) {
    it(`${text.slice(0, 40)} is refused`, () => assert.match(wrong(text), message));
  }

  it("writes every name of a trigger in a way that CEL reads", () => {
    for (const name of ["a-b-c", "3d-render", "in", "true", "map", "known", "max", "x"]) {
      const parsed = parseFormula(`${variableOf(name)} + 1.0`, [name, "other"]);
      assert.ok(!("wrong" in parsed), name);
      assert.equal(evaluate(parsed.expression, [4, 0]), 5);
    }
  });

  it("is refused by the check, with its place and a suggestion", () => {
    assert.deepEqual(findings(edited("  fallback:", "  formula: max(mails, 2)\n  fallback:")), []);
    assert.deepEqual(findings(edited("  fallback:", "  formula: max(mils, 2)\n  fallback:")), [
      "w.yaml:21:12: error: `spec.formula` must name triggers; there is none that is written 'mils': did you mean `mails`?; found 'max(mils, 2)'",
    ]);
  });

  it("belongs to the rules, as plain data", () => {
    const { workers } = parse(edited("  fallback:", "  formula: max(mails, 2)\n  fallback:"));
    const formula = workers[0]?.rules.formula;
    assert.equal(formula?.text, "max(mails, 2)");
    assert.deepEqual(JSON.parse(JSON.stringify(formula)), formula);
    assert.notEqual(workers[0]?.digest, parse(good).workers[0]?.digest);
    assert.deepEqual(parse(good).findings.map(findingText), []);
  });
});

/** Any formula that CEL takes, as text; `depth` bounds it. */
const number: fc.Memo<string> = fc.memo((depth) => {
  const leaf = fc.constantFrom("mails", "reports", "working_hours", "0.0", "1.0", "2.5", "100.0");
  if (depth <= 1) return leaf;
  const part = number(depth - 1);
  return fc.oneof(
    leaf,
    fc.tuple(part, fc.constantFrom("+", "-", "*", "/"), part).map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc.tuple(part, fc.constantFrom("+", "-", "*", "/"), fc.constantFrom("1", "2", "7")).map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc.tuple(fc.constantFrom("max", "min"), part, part).map(([name, a, b]) => `${name}(${a}, ${b})`),
    fc.tuple(fc.constantFrom("ceil", "floor", "-"), part).map(([name, a]) => `${name}(${a})`),
    fc.tuple(condition(depth - 1), part, part).map(([test, a, b]) => `(${test} ? ${a} : ${b})`),
  );
});
const condition: fc.Memo<string> = fc.memo((depth) => {
  const part = number(Math.max(1, depth - 1));
  const compared = fc
    .tuple(part, fc.constantFrom("<", "<=", ">", ">=", "==", "!="), part)
    .map(([a, op, b]) => `(${a} ${op} ${b})`);
  const leaf = fc.oneof(compared, fc.constantFrom("known(mails)", "known(reports)"));
  if (depth <= 1) return leaf;
  const inner = condition(depth - 1);
  return fc.oneof(
    leaf,
    fc.tuple(inner, fc.constantFrom("&&", "||"), inner).map(([a, op, b]) => `(${a} ${op} ${b})`),
    inner.map((a) => `!(${a})`),
  );
});
const size = fc.constantFrom(0, 1, 2, 3, 7, 50);

test("a formula gives what CEL gives, where all is known", () => {
  const cel = new Environment();
  for (const trigger of triggers) cel.registerVariable(variableOf(trigger), "double");
  for (const [op, of] of Object.entries({
    "+": (a: number, b: number) => a + b,
    "-": (a: number, b: number) => a - b,
    "*": (a: number, b: number) => a * b,
    "/": (a: number, b: number) => a / b,
  })) {
    cel.registerOperator(`double ${op} int: double`, (a: number, b: bigint) => of(a, Number(b)));
  }
  cel.registerFunction("max(double, double): double", Math.max).registerFunction("min(double, double): double", Math.min);
  cel.registerFunction("ceil(double): double", Math.ceil).registerFunction("floor(double): double", Math.floor);
  cel.registerFunction("known(double): bool", () => true);
  fc.assert(
    fc.property(number(4), size, size, size, (text, ...wants) => {
      const context = Object.fromEntries(triggers.map((trigger, index) => [variableOf(trigger), wants[index]]));
      assert.deepEqual(value(text, ...wants), cel.evaluate(text, context), text);
    }),
    { numRuns: 500 },
  );
});

test("what a formula gives without knowing a trigger does not depend on it, unless it asks whether it is known", () => {
  let given = 0;
  const plain = number(4).filter((text) => !text.includes("known"));
  fc.assert(
    fc.property(plain, size, fc.array(size, { minLength: 1, maxLength: 5 }), (text, reports, any) => {
      const blind = value(text, undefined, reports, undefined);
      if (blind === undefined) return;
      given += 1;
      for (const mails of any) assert.deepEqual(value(text, mails, reports, 100 - mails), blind, text);
    }),
    { numRuns: 1000 },
  );
  assert.ok(given > 20, `only ${given} gave anything`);
});
