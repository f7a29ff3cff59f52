import assert from "node:assert/strict";
import { test } from "node:test";
import { matches, parseSelector, toSelector } from "../../src/targets/selector.ts";

const labelsets = [
  {},
  { app: "mails" },
  { app: "mails", tier: "a" },
  { app: "mails", tier: "b", canary: "yes" },
  { app: "images", "app.kubernetes.io/name": "x" },
];

test("a selector as text selects what Kubernetes would", () => {
  const tables: [string, readonly number[]][] = [
    ["app=mails", [1, 2, 3]],
    ["app==mails", [1, 2, 3]],
    ["app!=mails", [0, 4]],
    ["app=mails,tier in (a, b)", [2, 3]],
    ["tier notin (a)", [0, 1, 3, 4]],
    ["app,!canary", [1, 2, 4]],
    ["app.kubernetes.io/name=x", [4]],
    ["tier=", []],
  ];
  for (const [text, selected] of tables) {
    const selector = parseSelector(text);
    assert.ok(selector, text);
    const found = labelsets.flatMap((labels, index) => (matches(selector, labels) ? [index] : []));
    assert.deepEqual(found, selected, text);
  }
});

test("what is empty or not understood selects nothing, rather than everything", () => {
  for (const text of ["", " ", ",", "app=mails,", "app>3", "a b", "in (a)"]) assert.equal(parseSelector(text), undefined, text);
  assert.equal(toSelector({}), undefined);
  assert.equal(toSelector({ matchExpressions: [{ key: "app", operator: "Gt", values: ["3"] }] }), undefined);
});

test("a selector of a workload's spec is the same as its text", () => {
  const spec = { matchLabels: { app: "mails" }, matchExpressions: [{ key: "tier", operator: "In", values: ["a", "b"] }] };
  assert.deepEqual(toSelector(spec), parseSelector("app=mails,tier in (a,b)"));
});
