import { Decoder } from "@redis/client/dist/lib/RESP/decoder.js";
import { BrokerError } from "../core/contract.ts";

/**
 * What one reply may be, far above what Worktide asks for. The client reserves room for as many values as a reply
 * announces: `*30000000` takes 240 MB before the first of them has come.
 */
export const replyLimits = { values: 500_000, bytes: 32 * 2 ** 20, line: 64 * 2 ** 10 } as const;

const [cr, lf, minus, plus, zero, nine] = [0x0d, 0x0a, 0x2d, 0x2b, 0x30, 0x39];

const invalid = (message: string) => new BrokerError({ kind: "invalid", message });
const garbled = () => invalid("answers with something that is not Redis' protocol");

/**
 * Looks at a stream of replies, RESP2 or RESP3 (redis.io/docs/latest/develop/reference/protocol-spec), piece by piece, before anybody
 * decodes it. Throws BrokerError where a reply is larger than these limits, or is none: it must find each value
 * where the decoder does, so it lets nothing pass that the two could read differently.
 */
export function createReplyBound(
  limits: Readonly<Record<keyof typeof replyLimits, number>> = replyLimits,
): (piece: Buffer) => void {
  /** The beginning of a line whose end has not come. */
  let rest: Buffer | undefined;
  /** Bytes of a string, with its end, that are still to come. */
  let body = 0;
  /** Values that the present reply still lacks. */
  let open = 0;
  let values = 0;
  let bytes = 0;

  /** A line tells of one value, which may hold others. */
  const take = (data: Buffer, at: number, end: number) => {
    values += 1;
    bytes += end - at;
    switch (String.fromCharCode(data[at] ?? 0)) {
      case "$":
      case "!":
        return string(count(data, at + 1, end, true));
      case "=": {
        const length = count(data, at + 1, end);
        if (length < 4) throw garbled(); // "txt:" comes first
        return string(length);
      }
      case "*":
        return holds(count(data, at + 1, end, true));
      case "~":
      case ">":
        return holds(count(data, at + 1, end));
      case "%":
        return holds(2 * count(data, at + 1, end));
      case ":":
      case "(":
        if (data[at + 1] === minus || data[at + 1] === plus) count(data, at + 2, end);
        else count(data, at + 1, end);
        return;
      case "_":
        if (end !== at + 1) throw garbled();
        return;
      case "#":
        if (end !== at + 2) throw garbled();
        return;
      case "+":
      case "-":
      case ",":
        return;
      default:
        throw garbled();
    }
  };
  const string = (length: number) => {
    if (length < 0) return;
    body = length + 2;
    bytes += length;
  };
  const holds = (more: number) => {
    open += Math.max(0, more);
  };

  return (piece) => {
    const data = rest === undefined ? piece : Buffer.concat([rest, piece]);
    rest = undefined;
    for (let at = 0; at < data.length; ) {
      if (body > 0) {
        const step = Math.min(body, data.length - at);
        body -= step;
        at += step;
        continue;
      }
      if (open === 0) [open, values, bytes] = [1, 0, 0];
      const end = data.indexOf(cr, at);
      const isWhole = end >= 0 && end + 1 < data.length;
      if (!isWhole && data.length - at > limits.line) throw garbled();
      if (!isWhole) {
        rest = data.subarray(at);
        return;
      }
      if (data[end + 1] !== lf) throw garbled();
      open -= 1;
      take(data, at, end);
      if (values + open > limits.values) throw invalid(`answers with more than ${limits.values} values at once`);
      if (bytes > limits.bytes) throw invalid(`answers with more than ${limits.bytes >> 20} MiB at once`);
      at = end + 2;
    }
  };
}

/** A number of digits alone; -1 where there may be none (`null` of RESP2). */
function count(data: Buffer, from: number, end: number, orNull = false): number {
  if (orNull && data[from] === minus && data[from + 1] === zero + 1 && end === from + 2) return -1;
  if (end === from) throw garbled();
  let number = 0;
  for (let at = from; at < end; at++) {
    const digit = data[at] ?? 0;
    if (digit < zero || digit > nine) throw garbled();
    number = number * 10 + digit - zero;
  }
  return number;
}

const bounds = new WeakMap<Decoder, (piece: Buffer) => void>();
const { write } = Decoder.prototype;

/** The client has no hold on what comes in, plain or by TLS, but its decoder; what that throws ends the connection. */
export function boundReplies(): void {
  Decoder.prototype.write = function (this: Decoder, piece: Buffer) {
    const bound = bounds.get(this) ?? createReplyBound();
    bounds.set(this, bound);
    bound(piece);
    write.call(this, piece);
  };
}
