import { z } from "zod";
import type { AnyBroker, AnyScaler } from "../core/contract.ts";
import { behavior, fallback, pause, replicas, scaleDown } from "./behavior.ts";
import { duration } from "./duration.ts";
import { clusterOnly, name as nameField, whole } from "./fields.ts";
import { goal } from "./goal.ts";
import { apiVersion, complain, metadata } from "./meta.ts";
import { target } from "./target.ts";

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
  goal: goal.describe("What the queue asks for. Exactly one of four."),
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
function trigger(scalers: readonly AnyScaler[], brokers: readonly AnyBroker[]) {
  const own = scalers.map((scaler) => [scaler.type, scaler.query.strict().optional().describe(scaler.summary)] as const);
  const places = brokers.map((broker) => [broker.type, broker.settings.strict().optional().describe(broker.summary)] as const);
  const inline = z
    .strictObject(Object.fromEntries(places))
    .optional()
    .describe(
      "The address in place of `connection`, without any credential. Example: `{ redis: { url: redis://127.0.0.1:6379 } }`.",
    );
  const { name, connection, clusterConnection, ...rest } = triggerFields;
  // The keys of scalers are known at run time only: to types, a trigger is its common part.
  const fields = { name, connection, clusterConnection, inline, ...Object.fromEntries(own), ...rest } as typeof triggerFields;
  return z.strictObject(fields).superRefine((value, context) => checkTrigger(value, scalers, context));
}

const connectionWays = ["connection", "clusterConnection", "inline"] as const;

function checkTrigger(value: TriggerSpec, scalers: readonly AnyScaler[], context: z.RefinementCtx): void {
  const types = scalers.map((scaler) => scaler.type);
  const given = scalers.filter((scaler) => Object.hasOwn(value, scaler.type));
  if (given.length !== 1) {
    const found = given.length === 0 ? "found none" : `found ${given.map((scaler) => `\`${scaler.type}\``).join(" and ")}`;
    const path = given[1] ? [given[1].type] : [];
    complain(context, "one-scaler", path, `must have exactly one of ${list(types)}; ${found}`, {
      unlessUnknown: given.length === 0,
    });
    return;
  }
  const broker = given[0]?.broker ?? "";
  const [first, second] = connectionWays.filter((way) => value[way] !== undefined);
  if (first === undefined) {
    const message = `must have \`connection\`: the name of a QueueConnection with \`${broker}\``;
    complain(context, "missing-connection", [], message, { unlessInvalid: connectionWays });
  } else if (second !== undefined) {
    complain(context, "one-connection", [second], `must not stand beside \`${first}\``);
  } else if (value.inline !== undefined && Object.keys(value.inline).join() !== broker) {
    complain(context, "connection-type", ["inline"], `must have exactly \`${broker}\`, which \`${given[0]?.type}\` reads from`);
  }
}

const list = (words: readonly string[]) => words.map((word) => `\`${word}\``).join(", ");

/** Everything but the triggers, whose shape depends on the scalers. */
const specFields = {
  target: target.describe("What is scaled."),
  replicas: replicas.describe("Bounds of the size."),
  concurrency: whole(1, 10_000).default(1).describe("Jobs that one replica works on at once. Example: `4`."),
  scaleDown: scaleDown.prefault({}).describe("How the pool shrinks."),
  behavior: behavior
    .prefault({})
    .describe("Step limits and windows per direction: shape and meaning of the HPA (autoscaling/v2)."),
  fallback: fallback.optional().describe("The size while a trigger cannot be read. Without it: the present size is held."),
  staleAfter: duration({ min: "1s", max: "24h" })
    .prefault("60s")
    .describe("A last good reading older than this no longer asks for replicas. Example: `2m`."),
  mode: z
    .enum(["Scale", "Observe"])
    .default("Scale")
    .describe("`Observe` decides and explains, and changes nothing. Example: `Observe`."),
  pause: pause
    .optional()
    .describe("Holds the size still. The annotations `worktide.dev/paused`, `…/paused-until` and `…/paused-reason` do the same."),
  onDelete: z
    .enum(["Keep", "Restore"])
    .default("Keep")
    .meta(clusterOnly("leave it out"))
    .describe(
      "What happens to the target when this ScaledWorker is deleted. `Keep`: it keeps its size. `Restore`: it gets the size back that " +
        "it had before, for which this ScaledWorker carries a finalizer. Not for `job`. Example: `Restore`.",
    ),
};

/** The whole document, for these scalers and brokers. */
export function scaledWorkerSchema(scalers: readonly AnyScaler[], brokers: readonly AnyBroker[]) {
  const { target, replicas, ...rest } = specFields;
  const triggers = z
    .array(trigger(scalers, brokers))
    .min(1)
    .max(64)
    .superRefine(uniqueNames)
    .describe("Queues that it works for; the largest demand counts. Names are unique.");
  return z.strictObject({
    apiVersion: z.literal(apiVersion).describe("Version of this schema."),
    kind: z.literal("ScaledWorker").describe("Kind of this document."),
    metadata: metadata.describe("Name and namespace."),
    spec: z
      .strictObject({ target, replicas, triggers, ...rest })
      .describe("One pool of workers and the rules by which it is sized."),
  });
}

function uniqueNames(triggers: readonly { name: string }[], context: z.RefinementCtx): void {
  triggers.forEach(({ name }, index) => {
    const first = triggers.findIndex((trigger) => trigger.name === name);
    if (first === index || name === undefined) return;
    complain(context, "duplicate-trigger", [index, "name"], `must be unique: \`triggers[${first}]\` has the name '${name}' too`);
  });
}

export type ScaledWorkerDocument = z.output<ReturnType<typeof scaledWorkerSchema>>;
export type ScaledWorkerSpec = ScaledWorkerDocument["spec"];
