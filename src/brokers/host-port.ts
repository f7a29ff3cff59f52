import { z } from "zod";

export type HostPort = Readonly<{ host: string; port: number }>;

/** A field of "host:port"; `example` stands in the error message. */
export const hostPort = (example: string) =>
  z
    .string()
    .max(300)
    .regex(/^(\[[0-9A-Fa-f:.]+\]|[^\s:/@[\]]+):\d{1,5}$/)
    .meta({ must: `must be host:port, such as '${example}' or '[::1]:${example.split(":")[1]}'` });

/** "host:port", with the brackets of IPv6. */
export const formatHostPort = ({ host, port }: HostPort): string => `${host.includes(":") ? `[${host}]` : host}:${port}`;

export function parseHostPort(node: string): HostPort {
  const at = node.lastIndexOf(":");
  return { host: node.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(node.slice(at + 1)) };
}

/** A part of an address as it was before it was escaped; undefined where the escape is broken. */
export function decodePart(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
