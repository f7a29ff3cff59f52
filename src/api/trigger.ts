import { z } from "zod";
import type { AnyBroker, AnyScaler } from "../core/contract.ts";
import { brokersOf, eitherOf, inherentBroker, isDialled } from "./brokers-of.ts";
import { duration } from "./duration.ts";
import { type CelRule, cel, closed, clusterOnly, complain, exactlyOne, foundText, name as nameField, whole } from "./fields.ts";
import { goal } from "./goal.ts";
import { type JsonSchema, toJsonSchema } from "./json-schema.ts";

/** A trigger without the scalers' own fields, which stand beside these. */
const triggerFields = {
  name: nameField().describe("Name within this ScaledWorker, for status and metrics. Example: `mails`."),
  connection: nameField()
    .meta({ must: "must be the name of a QueueConnection (an address in its place stands under `inline`)" })
    .optional()
    .describe("QueueConnection in the same namespace that leads to the queue. Example: `main`."),
  clusterConnection: nameField()
    .meta({ must: "must be the name of a ClusterQueueConnection", ...clusterOnly("use `connection`") })
    .optional()
    .describe("Instead of `connection`: a ClusterQueueConnection that lets this namespace use it. Example: `shared`."),
  goal: goal
    .optional()
    .describe("What the queue asks for. Exactly one of four; not for a trigger that asks for replicas itself."),
  activation: whole(0, 1_000_000_000)
    .default(0)
    .describe("Jobs (waiting, due soon or running): more than so many wake a pool of idle size. Example: `5`."),
  every: duration({ min: "100ms", max: "1h" })
    .optional()
    .describe("How often it is read, wake-ups aside. Default: what the scaler says. Example: `5s`."),
};

/** Without scalers and brokers; with them, each scaler's type is one more optional key, and `inline` is there. */
const triggerBase = z.strictObject(triggerFields);
export type TriggerSpec = z.output<typeof triggerBase> & Readonly<{ inline?: Readonly<Record<string, unknown>> }>;

/** The trigger with the fields of these scalers, and inline connections of these brokers. */
export function trigger(scalers: readonly AnyScaler[], brokers: readonly AnyBroker[]) {
  const own = scalers.map((scaler) => [scaler.type, closed(scaler.query).optional().describe(scaler.summary)] as const);
  const dialled = brokers.filter(isDialled);
  const places = dialled.map((broker) => [broker.type, closed(broker.settings).optional().describe(broker.summary)] as const);
  const inline = z
    .strictObject(Object.fromEntries(places))
    .meta(cel(exactlyOne(dialled.map(({ type }) => type)), ...withoutCredential(dialled)))
    .optional()
    .describe(
      "The address in place of `connection`, without any credential. Example: `{ redis: { url: redis://127.0.0.1:6379 } }`.",
    );
  const inherent = (scaler: AnyScaler) => inherentBroker(scaler, brokers) !== undefined;
  const { name, connection, clusterConnection, ...rest } = triggerFields;
  // The keys of scalers are known at run time only: to types, a trigger is its common part.
  const fields = { name, connection, clusterConnection, inline, ...Object.fromEntries(own), ...rest } as typeof triggerFields;
  return z
    .strictObject(fields)
    .superRefine((value, context) => checkTrigger(value, { scalers, inherent }, context))
    .meta(
      cel(
        exactlyOne(scalers.map(({ type }) => type)),
        oneConnection(scalers.filter(inherent)),
        oneGoal(scalers.filter(({ wants }) => wants)),
        ...scalers.filter((scaler) => !inherent(scaler)).map(inlineFits),
      ),
    );
}

const connectionWays = ["connection", "clusterConnection", "inline"] as const;

const there = (keys: readonly string[]) => keys.map((key) => `has(self.${key})`).join(" || ") || "false";

/** CEL: one connection, where the scaler needs one. */
function oneConnection(without: readonly AnyScaler[]): CelRule {
  const { rule, message } = exactlyOne(connectionWays);
  const types = without.map(({ type }) => type);
  if (types.length === 0) return { rule, message };
  return { rule: `(${there(types)}) ? !(${there(connectionWays)}) : ${rule}`, message: `${message}; none with ${list(types)}` };
}

/** CEL: a goal, where the scaler does not ask for replicas itself. */
function oneGoal(outright: readonly AnyScaler[]): CelRule {
  const types = outright.map(({ type }) => type);
  if (types.length === 0) return { rule: "has(self.goal)", message: "must have `goal`" };
  return { rule: `has(self.goal) != (${there(types)})`, message: `must have \`goal\`, but not with ${list(types)}` };
}

type Known = Readonly<{ scalers: readonly AnyScaler[]; inherent: (scaler: AnyScaler) => boolean }>;

function checkTrigger(value: TriggerSpec, { scalers, inherent }: Known, context: z.RefinementCtx): void {
  const types = scalers.map((scaler) => scaler.type);
  const given = scalers.filter((scaler) => Object.hasOwn(value, scaler.type));
  if (given.length !== 1) {
    const found = foundText(given.map(({ type }) => type));
    const path = given[1] ? [given[1].type] : [];
    complain(context, "one-scaler", path, `must have exactly one of ${list(types)}; ${found}`, {
      unlessUnknown: given.length === 0,
    });
    return;
  }
  const [scaler] = given;
  if (scaler === undefined) return;
  checkGoal(value, scaler, context);
  checkConnection(value, scaler, inherent(scaler), context);
}

function checkGoal({ goal: given }: TriggerSpec, { type, wants }: AnyScaler, context: z.RefinementCtx): void {
  if (wants && given !== undefined) {
    complain(context, "one-goal", ["goal"], `must not stand beside \`${type}\`, which asks for replicas itself`);
  } else if (!wants && given === undefined) {
    complain(context, "one-goal", [], `must have \`goal\`: what the queue asks for`, { unlessInvalid: ["goal"] });
  }
}

function checkConnection(value: TriggerSpec, scaler: AnyScaler, inherent: boolean, context: z.RefinementCtx): void {
  const brokers = brokersOf(scaler);
  const [first, second] = connectionWays.filter((way) => value[way] !== undefined);
  if (inherent) {
    if (first !== undefined)
      complain(context, "one-connection", [first], `must not stand beside \`${scaler.type}\`: it needs none`);
  } else if (first === undefined) {
    const message = `must have \`connection\`: the name of a QueueConnection with ${eitherOf(brokers)}`;
    complain(context, "missing-connection", [], message, { unlessInvalid: connectionWays });
  } else if (second !== undefined) {
    complain(context, "one-connection", [second], `must not stand beside \`${first}\``);
  } else if (value.inline !== undefined && !brokers.includes(Object.keys(value.inline).join())) {
    const message = `must have exactly ${eitherOf(brokers)}, which \`${scaler.type}\` reads from`;
    complain(context, "connection-type", ["inline"], message);
  }
}

/** The connection in place leads where the scaler reads from. */
const inlineFits = (scaler: AnyScaler): CelRule => {
  const brokers = brokersOf(scaler);
  const there = brokers.map((broker) => `has(self.inline.${broker})`).join(" || ");
  return {
    rule: `!has(self.inline) || !has(self.${scaler.type}) || ${there}`,
    message: `\`inline\` must have ${eitherOf(brokers)}, which \`${scaler.type}\` reads from`,
  };
};

/** An inline address is written by whoever writes the ScaledWorker: a credential must not be lent to it. */
function withoutCredential(brokers: readonly AnyBroker[]): readonly CelRule[] {
  const references = brokers.flatMap(({ type, settings }) =>
    referencesIn(toJsonSchema(settings), `self.${type}`).map((there) => `has(self.${type}) && ${there}`),
  );
  if (references.length === 0) return [];
  const message = "`inline` must not refer to a Secret: a credential needs a QueueConnection";
  return [{ rule: `!(${references.join(" || ")})`, message }];
}

/** CEL: one of the fields that refer to a Secret is there (`passwordFrom`), also in the items of lists. */
function referencesIn({ properties = {} }: JsonSchema, at: string): readonly string[] {
  return Object.entries(properties).flatMap(([key, child]) => {
    const place = `${at}.${key}`;
    if (key.endsWith("From")) return `has(${place})`;
    const inner = child.items ? inItems(child.items, place) : referencesIn(child, place);
    return inner.map((there) => `has(${place}) && ${there}`);
  });
}

function inItems(items: JsonSchema, place: string): readonly string[] {
  const inner = referencesIn(items, "item");
  return inner.length === 0 ? [] : [`${place}.exists(item, ${inner.join(" || ")})`];
}

const list = (words: readonly string[]) => words.map((word) => `\`${word}\``).join(", ");
