import type { AnyBroker, AnyScaler } from "../core/contract.ts";

/** The keys of the brokers that a scaler reads from. */
export const brokersOf = ({ broker }: Pick<AnyScaler, "broker">): readonly string[] =>
  typeof broker === "string" ? [broker] : broker;

/** For people: "`redis` or `rabbitmq`". */
export const eitherOf = (brokers: readonly string[]): string => brokers.map((broker) => `\`${broker}\``).join(" or ");

/** Whether a QueueConnection leads to it. */
export const isDialled = ({ inherent }: AnyBroker): boolean => inherent === undefined;

/** The broker of a scaler whose triggers need no connection; undefined where they need one. */
export const inherentBroker = (scaler: Pick<AnyScaler, "broker">, brokers: readonly AnyBroker[]): AnyBroker | undefined =>
  brokers.find((broker) => !isDialled(broker) && brokersOf(scaler).includes(broker.type));
