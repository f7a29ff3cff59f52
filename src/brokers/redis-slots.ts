import { formatHostPort } from "./host-port.ts";
import type { RedisValue } from "./redis-client.ts";

export const slotCount = 16_384;

/** CRC16 of XMODEM, as the Redis Cluster specification has it. */
const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

/** The slot of a key: of what stands between its first braces, if anything does, else of all of it. */
export function slotOf(key: string): number {
  const open = key.indexOf("{");
  const close = open < 0 ? -1 : key.indexOf("}", open + 1);
  let crc = 0;
  for (const byte of Buffer.from(close > open + 1 ? key.slice(open + 1, close) : key)) {
    crc = ((crc << 8) ^ (table[((crc >> 8) ^ byte) & 0xff] ?? 0)) & 0xffff;
  }
  return crc % slotCount;
}

/** Addresses of the primaries, by slot. */
export type Slots = readonly (string | undefined)[];

/** The answer to CLUSTER SLOTS. A node that does not know its own address is where the question was sent: `asked`. */
export function parseSlots(reply: RedisValue, asked: string): Slots {
  const slots = new Array<string | undefined>(slotCount).fill(undefined);
  for (const range of Array.isArray(reply) ? reply : []) {
    const [from, to, primary] = range as readonly [number, number, readonly [string | null, number]];
    const host = primary[0] || asked.slice(0, asked.lastIndexOf(":")).replace(/^\[|\]$/g, "");
    slots.fill(formatHostPort({ host, port: primary[1] }), from, to + 1);
  }
  return slots;
}

/** Where a refusal points: MOVED (for good) or ASK (this once), and host:port; without a host, the one that was asked. */
export function redirection(message: string, asked: string): Readonly<{ kind: "MOVED" | "ASK"; address: string }> | undefined {
  const match = /^(MOVED|ASK) \d+ (.*):(\d+)$/.exec(message);
  if (!match) return undefined;
  const host = match[2] || asked.slice(0, asked.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  return { kind: match[1] as "MOVED" | "ASK", address: formatHostPort({ host, port: Number(match[3]) }) };
}
