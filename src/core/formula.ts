/**
 * A formula over triggers, checked and as plain data: CEL without strings, lists and loops, so that its cost is bounded by
 * its length. A trigger stands for the replicas that it wants, by its place among the rules' triggers.
 */
export type Expression =
  | Readonly<{ kind: "value"; value: number | boolean }>
  | Readonly<{ kind: "trigger" | "known"; index: number }>
  | Readonly<{ kind: "and" | "or"; left: Expression; right: Expression }>
  | Readonly<{ kind: "if"; condition: Expression; yes: Expression; no: Expression }>
  | Readonly<{ kind: "call"; name: keyof typeof functions; args: readonly Expression[] }>;

export type Formula = Readonly<{
  /** As it was written. */
  text: string;
  expression: Expression;
}>;

type Value = number | boolean;
/** Undefined: not known. */
type Known = Value | undefined;

/** What needs all of its arguments. `quotient` and `remainder` are those of whole numbers, which end in NaN for a zero. */
const functions = {
  add: (a: number, b: number) => a + b,
  subtract: (a: number, b: number) => a - b,
  multiply: (a: number, b: number) => a * b,
  divide: (a: number, b: number) => a / b,
  quotient: (a: number, b: number) => Math.trunc(b === 0 ? Number.NaN : a / b),
  remainder: (a: number, b: number) => a % b,
  negate: (a: number) => -a,
  not: (a: boolean) => !a,
  equal: (a: Value, b: Value) => a === b,
  unequal: (a: Value, b: Value) => a !== b,
  less: (a: number, b: number) => a < b,
  lessOrEqual: (a: number, b: number) => a <= b,
  greater: (a: number, b: number) => a > b,
  greaterOrEqual: (a: number, b: number) => a >= b,
  max: Math.max,
  min: Math.min,
  ceil: Math.ceil,
  floor: Math.floor,
} as const;

/**
 * What a formula gives for these triggers, each a number or not known. What depends on one that is not known is not known;
 * `known(…)`, and as in CEL a side of `&&`, `||` or `?:` that does not count, keep it from depending.
 */
export function evaluate(expression: Expression, wants: readonly (number | undefined)[]): Known {
  const of = (inner: Expression) => evaluate(inner, wants);
  switch (expression.kind) {
    case "value":
      return expression.value;
    case "trigger":
      return wants[expression.index];
    case "known":
      return wants[expression.index] !== undefined;
    case "and":
      return either(of(expression.left), of(expression.right), false);
    case "or":
      return either(of(expression.left), of(expression.right), true);
    case "if": {
      const condition = of(expression.condition);
      return condition === undefined ? undefined : of(condition === true ? expression.yes : expression.no);
    }
    case "call":
      return call(expression.name, expression.args.map(of));
    default:
      return expression satisfies never;
  }
}

/** One side that is `decisive` is enough, whatever the other one is. */
function either(left: Known, right: Known, decisive: boolean): Known {
  if (left === decisive || right === decisive) return decisive;
  return left === undefined || right === undefined ? undefined : !decisive;
}

function call(name: keyof typeof functions, args: readonly Known[]): Known {
  if (args.includes(undefined)) return undefined;
  // The types were checked when the formula was read.
  return (functions[name] as (...args: readonly Known[]) => Value)(...args);
}

/** The triggers that it names, by their place; each once. */
export function triggersIn(expression: Expression): readonly number[] {
  switch (expression.kind) {
    case "value":
      return [];
    case "trigger":
    case "known":
      return [expression.index];
    case "and":
    case "or":
      return once([expression.left, expression.right]);
    case "if":
      return once([expression.condition, expression.yes, expression.no]);
    case "call":
      return once(expression.args);
    default:
      return expression satisfies never;
  }
}

const once = (parts: readonly Expression[]): readonly number[] => [...new Set(parts.flatMap(triggersIn))];
