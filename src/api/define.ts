import type { AnyBroker, AnyScaler } from "../core/contract.ts";
import { brokersOf, isDialled } from "./brokers-of.ts";
import { type JsonSchema, toJsonSchema } from "./json-schema.ts";
import type { Kind } from "./meta.ts";
import { clusterQueueConnectionSchema, queueConnectionSchema } from "./queue-connection.ts";
import { scaledWorkerSchema } from "./scaled-worker.ts";

/** The documents' schemas for one set of scalers and brokers: what is declared there is a field here. */
export type Api = Readonly<{
  scalers: readonly AnyScaler[];
  brokers: readonly AnyBroker[];
  scaledWorker: ReturnType<typeof scaledWorkerSchema>;
  queueConnection: ReturnType<typeof queueConnectionSchema>;
  clusterQueueConnection: ReturnType<typeof clusterQueueConnectionSchema>;
  /** The same as JSON Schema, with our own `must`. */
  json: Readonly<Record<Kind, JsonSchema>>;
}>;

/** Throws where scalers and brokers do not fit together: a fault of the program, not of a user. */
export function defineApi(scalers: readonly AnyScaler[], brokers: readonly AnyBroker[]): Api {
  const types = scalers.map(({ type }) => type);
  const taken = ["name", "connection", "clusterConnection", "inline", "goal", "activation", "every", ...types];
  for (const scaler of scalers) {
    const { type } = scaler;
    if (taken.indexOf(type) !== taken.lastIndexOf(type)) throw new Error(`two fields of a trigger are called '${type}'`);
    const unknown = brokersOf(scaler).find((broker) => !brokers.some((one) => one.type === broker));
    if (unknown !== undefined) throw new Error(`scaler '${type}' reads from unknown broker '${unknown}'`);
  }
  const scaledWorker = scaledWorkerSchema(scalers, brokers);
  const queueConnection = queueConnectionSchema(brokers.filter(isDialled));
  const clusterQueueConnection = clusterQueueConnectionSchema(brokers.filter(isDialled));
  const json = {
    ScaledWorker: toJsonSchema(scaledWorker),
    QueueConnection: toJsonSchema(queueConnection),
    ClusterQueueConnection: toJsonSchema(clusterQueueConnection),
  };
  return { scalers, brokers, scaledWorker, queueConnection, clusterQueueConnection, json };
}
