import type { AnyScaler } from "../core/contract.ts";

/** The keys of the brokers that a scaler reads from. */
export const brokersOf = ({ broker }: Pick<AnyScaler, "broker">): readonly string[] =>
  typeof broker === "string" ? [broker] : broker;

/** For people: "`redis` or `rabbitmq`". */
export const eitherOf = (brokers: readonly string[]): string => brokers.map((broker) => `\`${broker}\``).join(" or ");
