import { redact } from "../api/redact.ts";
import { BrokerError, type Problem } from "../core/contract.ts";
import { codeOf, kindOfCode, messageOf, oneClause } from "./socket-problem.ts";
import { tlsOptions } from "./tls.ts";
import type { WebAddress } from "./web-settings.ts";

export type WebAnswer = Readonly<{
  status: number;
  /** The content type, as it stands in the header; empty where there is none. */
  type: string;
  text: string;
  /** What the service's clock showed, ms since 1970, where it says so. */
  date?: number;
  /** For how long a cache has kept it, ms. */
  keptMs: number;
  /** Where it sends us instead, without a query: nobody follows. */
  elsewhere?: string;
}>;

export type WebLimits = Readonly<{
  /** Longest time for one whole answer, ms. */
  answerMs: number;
  /** Connections at once. */
  connections: number;
  /** Largest answer. */
  maxBytes: number;
}>;

/** A few connections to one service, kept open between questions. */
export interface Web {
  /** For people: without a login and without a query. */
  readonly address: string;
  /**
   * What a path below the address answers, whatever its status; with `form` by POST. Redirects are not followed: a login
   * goes only where it was given for. Throws BrokerError when there is no whole answer in time.
   */
  ask(path: string, form?: string): Promise<WebAnswer>;
  destroy(): void;
}

/** Nothing is asked yet. Throws BrokerError when a certificate cannot be read. */
export async function openWeb({ base, headers, secrets, tls }: WebAddress, limits: WebLimits): Promise<Web> {
  const { Agent, request } = await import("undici"); // when there is somebody to ask: 20 MiB
  const { answerMs, connections, maxBytes } = limits;
  const dispatcher = new Agent({
    connections,
    pipelining: 1,
    allowH2: false,
    headersTimeout: answerMs,
    bodyTimeout: answerMs,
    // Longer than most intervals, or each round would dial; what the server says of it counts more.
    keepAliveTimeout: 60_000,
    maxResponseSize: maxBytes,
    connect: { timeout: answerMs, ...(await tlsOptions(tls)) },
  });

  /** Something answered: what fails next may be a connection that was closed while nobody asked. */
  let used = false;

  const send = (path: string, form: string | undefined, signal: AbortSignal) =>
    request(`${base}${path}`, {
      dispatcher,
      signal,
      headers: { ...always, ...headers, ...(form !== undefined && formType) },
      ...(form !== undefined && { method: "POST", body: form }),
    });

  const attempt = async (path: string, form: string | undefined, signal: AbortSignal): Promise<WebAnswer> => {
    if (!isBelow(base, path))
      throw new BrokerError({ kind: "invalid", message: "the path leads out of the connection's address" });
    const answer = await send(path, form, signal).catch((error) => {
      if (!used || !isReset(error)) throw error;
      used = false; // a new connection tells, and only one
      return send(path, form, signal);
    });
    const text = await answer.body.text();
    used = true;
    const elsewhere = placeOf(answer.headers["location"], base);
    const date = Date.parse(String(answer.headers["date"]));
    const kept = Number(answer.headers["age"] ?? 0);
    return {
      status: answer.statusCode,
      type: String(answer.headers["content-type"] ?? ""),
      text,
      keptMs: kept > 0 ? kept * 1000 : 0,
      ...(Number.isFinite(date) && { date }),
      ...(elsewhere !== undefined && { elsewhere }),
    };
  };

  return {
    address: base,
    async ask(path, form) {
      // A plain timer, cleared at the end: AbortSignal.timeout leaks.
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(), answerMs);
      try {
        return await attempt(path, form, late.signal);
      } catch (error) {
        throw new BrokerError(webProblem(error, secrets, maxBytes));
      } finally {
        clearTimeout(timer);
      }
    },
    destroy: () => void dispatcher.destroy(),
  };
}

/** What a cache on the way has kept says nothing of now. */
const always = { accept: "application/json, text/plain;q=0.5", "cache-control": "no-cache" };
const formType = { "content-type": "application/x-www-form-urlencoded" };

/** Whoever writes a trigger does not say where the login goes: dots in a path lead up, percent-encoded ones too. */
const isBelow = (base: string, path: string): boolean =>
  new URL(`${base}${path || "/"}`).href.startsWith(new URL(`${base}/`).href);

const isReset = (error: unknown) => error instanceof Error && ["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"].includes(codeOf(error));

function placeOf(location: unknown, base: string): string | undefined {
  if (typeof location !== "string" || !URL.canParse(location, base)) return undefined;
  const { origin, pathname } = new URL(location, base);
  return redact(`${origin}${pathname}`);
}

/** `{},` is three bytes, and twenty times as many once it is read. */
const maxValues = 500_000;

/** What an answer says in JSON. Throws BrokerError where it is none, or would take all memory once it is read. */
export function parseJson(text: string): unknown {
  let values = 0;
  // So many values have as many characters at least.
  for (let at = text.length > maxValues ? 0 : text.length; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if ((code === comma || code === bracket || code === brace) && ++values > maxValues) {
      throw new BrokerError({ kind: "invalid", message: `answers with JSON of more than ${maxValues} values` });
    }
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new BrokerError({ kind: "invalid", message: "answers with something that is not JSON" });
  }
}

const [comma, bracket, brace] = [0x2c, 0x5b, 0x7b];

/** Why an answer is none; undefined for a success. A proxy may answer for a service that is gone. */
export function refusalOf({ status, elsewhere }: WebAnswer): Problem | undefined {
  if (status === 206) return { kind: "invalid", message: "answers with a part only (206)" }; // nobody asked for one
  if (status >= 200 && status < 300) return undefined;
  if (status === 401 || status === 403) return { kind: "auth", message: `the login is refused (${status})` };
  if (status === 404) return { kind: "missing", message: "not found (404)" };
  if (status === 429) return { kind: "limit", message: "asks for less (429)" };
  if (status >= 300 && status < 400) {
    const place = elsewhere === undefined ? "elsewhere" : `to ${elsewhere}`;
    return { kind: "invalid", message: `sends us ${place} (${status}): give the address that answers itself` };
  }
  return { kind: status < 500 ? "invalid" : "unreachable", message: `answers with status ${status}` };
}

function webProblem(error: unknown, secrets: readonly string[], maxBytes: number): Problem {
  if (error instanceof BrokerError) return error.problem;
  if (!(error instanceof Error)) return { kind: "internal", message: "something that is no error was thrown" };
  const code = codeOf(error);
  if (code === "UND_ERR_RES_EXCEEDED_MAX_SIZE") {
    return { kind: "invalid", message: `the answer is larger than ${maxBytes / 2 ** 20} MiB` };
  }
  if (/Timeout|Abort/.test(error.name) || /TIMEOUT/.test(code)) return { kind: "timeout", message: "no answer" };
  const kind = kindOfCode(code) ?? "unreachable";
  return { kind, message: oneClause(messageOf(error, code), secrets) };
}
