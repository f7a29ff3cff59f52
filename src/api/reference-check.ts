import { eitherOf } from "./brokers-of.ts";
import { type Complaint, pathText } from "./finding.ts";
import { didYouMean } from "./suggest.ts";

/** What a connection offers, as far as it is known: whom it lets in, and which broker it leads to. */
export type Offer = Readonly<{ type?: string | undefined; namespaces?: readonly string[] }>;

export type Reference = Readonly<{
  kind: "QueueConnection" | "ClusterQueueConnection";
  name: string;
  /** Of the ScaledWorker that refers to it. */
  namespace: string;
  path: readonly PropertyKey[];
  /** Types of the brokers that the trigger's scaler reads from, where it has one scaler. */
  brokers: readonly string[] | undefined;
  /** The connections that it could refer to, where it is right to list them. */
  names?: readonly string[];
  found: Offer | undefined;
}>;

/** What is wrong with a trigger's reference to its connection. */
export function wrongReference({ kind, name, namespace, path, brokers, names, found }: Reference): Complaint | undefined {
  const field = `\`${pathText(path)}\``;
  if (found === undefined) {
    const where = kind === "QueueConnection" ? ` in namespace '${namespace}'` : "";
    const way = names === undefined ? "" : `: ${wayOut(name, names)}`;
    return { rule: "unknown-connection", message: `${field} must name a ${kind}${where}${way}; found '${name}'`, path };
  }
  if (found.namespaces !== undefined && !admits(found.namespaces, namespace)) {
    const message = `${field} must name a ${kind} that lets namespace '${namespace}' use it: \`spec.namespaces\` of '${name}' does not`;
    return { rule: "connection-namespace", message, path };
  }
  if (brokers === undefined || found.type === undefined || brokers.includes(found.type)) return undefined;
  const message = `${field} must name a ${kind} with ${eitherOf(brokers)}; '${name}' has \`${found.type}\``;
  return { rule: "connection-type", message, path };
}

function wayOut(name: string, names: readonly string[]): string {
  const hint = didYouMean(name, names);
  if (hint) return `did you mean '${hint}'?`;
  return names.length > 0 ? `there are '${names.slice(0, 10).join("', '")}'` : "there is none";
}

/** Whether a list of namespaces, or beginnings of them with `*`, has this one. */
export function admits(namespaces: readonly string[], namespace: string): boolean {
  return namespaces.some((one) => (one.endsWith("*") ? namespace.startsWith(one.slice(0, -1)) : namespace === one));
}
