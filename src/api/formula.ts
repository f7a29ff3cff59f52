import { createRequire } from "node:module";
import type { ASTNode } from "@marcbachmann/cel-js";
import type { Expression, Formula } from "../core/formula.ts";
import { didYouMean } from "./suggest.ts";

type Cel = typeof import("@marcbachmann/cel-js");
type Environment = InstanceType<Cel["Environment"]>;
type CallName = Extract<Expression, { kind: "call" }>["name"];

/** Loaded when the first formula is read, and not waited for: schemas are checked in one go. */
const load = (): Cel => createRequire(import.meta.url)("@marcbachmann/cel-js") as Cel;

/** What a formula may be made of at most: what it costs is bounded by that. */
const limits = { maxAstNodes: 300, maxDepth: 40, maxCallArguments: 8, maxListElements: 0, maxMapEntries: 0 };

/** Words of CEL that no variable can be called by. */
const reserved = new Set(
  (
    "as break const continue else false for function if import in let loop package namespace null return true var void while " +
    "int uint double string bool list map bytes type google optional known max min ceil floor"
  ).split(" "),
);

/** How a trigger is written in a formula: dashes are minus signs there, so they become underscores. */
export function variableOf(trigger: string): string {
  const plain = trigger.replaceAll("-", "_");
  return /^\d/.test(plain) || reserved.has(plain) ? `_${plain}` : plain;
}

/** A formula over triggers of these names, or what is wrong with it: "must …". Its types are checked too. */
export function parseFormula(text: string, triggers: readonly string[]): Formula | Readonly<{ wrong: string }> {
  const environment = environmentOf(triggers);
  try {
    const checked = environment.check(text);
    if (!checked.valid) return { wrong: messageOf(checked.error, text, triggers) };
    if (checked.type !== "double" && checked.type !== "int") return { wrong: `must give a number; it gives ${checked.type}` };
    const { ast } = environment.parse(text);
    return { text, expression: lowered(ast, { environment, variables: triggers.map(variableOf) }) };
  } catch (error) {
    if (error instanceof Unfit) return { wrong: error.message };
    return { wrong: messageOf(error, text, triggers) };
  }
}

/** Triggers are doubles. Doubles and whole numbers mix, as nobody writes 2.0 for 2 at first. */
function environmentOf(triggers: readonly string[]): Environment {
  language ??= languageOf(load());
  const environment = language.clone();
  for (const trigger of triggers) environment.registerVariable(variableOf(trigger), "double");
  return environment;
}

/** What formulas of all ScaledWorkers have in common. */
let language: Environment | undefined;

function languageOf({ Environment }: Cel): Environment {
  const environment = new Environment({ limits });
  const never = () => 0;
  for (const operator of ["+", "-", "*", "/"]) {
    environment.registerOperator(`double ${operator} int: double`, never);
    environment.registerOperator(`int ${operator} double: double`, never);
  }
  environment.registerOperator("double == int", () => false);
  for (const name of ["max", "min"]) {
    for (const types of mixes(2, limits.maxCallArguments - 3)) {
      const type = types.includes("double") ? "double" : "int";
      environment.registerFunction(`${name}(${types.join(", ")}): ${type}`, never);
    }
  }
  for (const name of ["ceil", "floor"]) environment.registerFunction(`${name}(double): double`, never);
  return environment.registerFunction("known(double): bool", () => false);
}

/** Every row of `double` and `int` of so many. */
function mixes(least: number, most: number): readonly (readonly string[])[] {
  const rows: (readonly string[])[] = [];
  let longest: readonly (readonly string[])[] = [[]];
  for (let length = 1; length <= most; length++) {
    longest = longest.flatMap((row) => [
      [...row, "double"],
      [...row, "int"],
    ]);
    if (length >= least) rows.push(...longest);
  }
  return rows;
}

/** It is CEL, and more than a formula may hold. */
class Unfit extends Error {}

type Scope = Readonly<{ environment: Environment; variables: readonly string[] }>;

const binary: Readonly<Record<string, CallName>> = {
  ...{ "+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "remainder", "==": "equal", "!=": "unequal" },
  ...{ "<": "less", "<=": "lessOrEqual", ">": "greater", ">=": "greaterOrEqual" },
};

/** The tree of the formula as plain data. */
function lowered(node: ASTNode, scope: Scope): Expression {
  const of = (inner: ASTNode) => lowered(inner, scope);
  switch (node.op) {
    case "value":
      return { kind: "value", value: literal(node.args) };
    case "id":
      return { kind: "trigger", index: scope.variables.indexOf(node.args) };
    case "&&":
      return { kind: "and", left: of(node.args[0]), right: of(node.args[1]) };
    case "||":
      return { kind: "or", left: of(node.args[0]), right: of(node.args[1]) };
    case "?:":
      return { kind: "if", condition: of(node.args[0]), yes: of(node.args[1]), no: of(node.args[2]) };
    case "!_":
      return { kind: "call", name: "not", args: [of(node.args)] };
    case "-_":
      return { kind: "call", name: "negate", args: [of(node.args)] };
    case "call":
      return calling(node.args[0], node.args[1], scope);
    default:
      return operation(node, scope);
  }
}

function operation(node: ASTNode, scope: Scope): Expression {
  const name = binary[node.op];
  if (name === undefined || !Array.isArray(node.args)) throw unfit();
  const [left, right] = node.args as readonly [ASTNode, ASTNode];
  const whole = name === "divide" && [left, right].every((side) => typeOf(side, scope) === "int");
  return { kind: "call", name: whole ? "quotient" : name, args: [lowered(left, scope), lowered(right, scope)] };
}

function calling(name: string, args: readonly ASTNode[], scope: Scope): Expression {
  const [first] = args;
  if (name === "known") {
    if (first?.op !== "id") throw new Unfit("must have the name of a trigger in `known(…)`");
    return { kind: "known", index: scope.variables.indexOf(first.args) };
  }
  if (name !== "max" && name !== "min" && name !== "ceil" && name !== "floor") throw unfit();
  return { kind: "call", name, args: args.map((one) => lowered(one, scope)) };
}

function literal(value: unknown): number | boolean {
  if (typeof value === "boolean") return value;
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number !== "number") throw unfit();
  if (!Number.isFinite(number) || Math.abs(number) > Number.MAX_SAFE_INTEGER) throw new Unfit("must have smaller numbers");
  return number;
}

const typeOf = ({ input, start, end }: ASTNode, { environment }: Scope): string | undefined =>
  environment.check(input.slice(start, end)).type;

const unfit = () =>
  new Unfit(
    "must be made of triggers, numbers, `+ - * / %`, comparisons, `&& || !`, `?:`, `max`, `min`, `ceil`, `floor` and `known`",
  );

/** What CEL says of it, in our words where those are better. */
function messageOf(error: unknown, text: string, triggers: readonly string[]): string {
  const { message, code, range } = error as { message: string; code?: string; range?: { start: number } };
  const said = message.split("\n", 1)[0] ?? "";
  if (code === "unknown_variable") return unknownTrigger(said.replace(/^.*: /, ""), text, triggers);
  if (/maxListElements|maxMapEntries/.test(said)) return unfit().message;
  if (code?.startsWith("limit") || code?.endsWith("exceeded")) return "must be shorter";
  const at = range === undefined ? "" : ` at character ${range.start + 1}`;
  const mixed = /double/.test(said) && /int/.test(said) ? " (triggers are doubles: write 2.0 in place of 2)" : "";
  return `must be a formula in CEL: ${said.charAt(0).toLowerCase()}${said.slice(1)}${at}${mixed}`;
}

function unknownTrigger(name: string, text: string, triggers: readonly string[]): string {
  const dashed = triggers.find((trigger) => trigger !== variableOf(trigger) && text.includes(trigger));
  if (dashed !== undefined) return `must write trigger '${dashed}' as \`${variableOf(dashed)}\``;
  const variables = triggers.map(variableOf);
  const near = didYouMean(name, variables);
  const way = near === undefined ? `there are ${variables.map((one) => `\`${one}\``).join(", ")}` : `did you mean \`${near}\`?`;
  return `must name triggers; there is none that is written '${name}': ${way}`;
}
