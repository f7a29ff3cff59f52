import { isIP } from "node:net";

/**
 * Whether a Host header is one of ours. A page of another site that lets its own name point to us (DNS rebinding) comes
 * with that name. An address literal cannot be rebound, so any is good: probes and scrapers come by the pod's address.
 */
export function hostAllowed(host: string, allowed: readonly string[]): boolean {
  const name = hostName(host);
  if (name === undefined) return false;
  if (isIP(name.replace(/^\[|\]$/g, "")) !== 0) return true;
  return name === "localhost" || name.endsWith(".localhost") || allowed.some((each) => each.toLowerCase() === name);
}

/** The name of `name:port`, in lower case and without a final dot; undefined when it is none. */
function hostName(host: string): string | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(host);
  return match?.[1]?.toLowerCase().replace(/\.$/, "");
}
