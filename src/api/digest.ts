import { createHash } from "node:crypto";

/** The same for equal content, whatever the order of keys; nothing of it can be read back. */
export function digestOf(value: unknown): string {
  return createHash("sha256")
    .update(JSON.stringify(value, sorted) ?? "")
    .digest("hex")
    .slice(0, 16);
}

function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
