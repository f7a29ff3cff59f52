import type { Answer } from "./exchange.ts";
import { LostExchange } from "./exchange.ts";
import { KubeError } from "./kube.ts";

/** What was being done: "patching Deployment shop/mails". A write may have been done even though no good answer came. */
export type Deed = Readonly<{ doing: string; write: boolean }>;

/** How long to leave alone a server that says so without saying how long. */
const defaultRetryAfterMs = 1_000;

/** The failure that an answer of status 300 and more tells of. */
export function failureOf({ status, headers, text }: Answer, { doing, write }: Deed): KubeError {
  const said = statusObject(text);
  const retryAfterMs = retryAfterOf(headers["retry-after"], said.retryAfterSeconds, status);
  return new KubeError({
    status,
    reason: said.cause ?? (said.reason || (words[status] ?? `Http${status}`)),
    message: `${doing}: ${said.message || `the API server answered ${status}`}`,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    // A gateway may have lost the answer of what was done, and the store may have timed out on what it did. Webhooks are asked before.
    outcome: write && status >= 500 && !said.message?.includes("failed calling webhook") ? "unknown" : "refused",
  });
}

/** The failure of an exchange without an answer; `timedOut` when it was our deadline, `aborted` when the caller gave up. */
export function lossOf(error: unknown, { doing, write }: Deed, why: "timedOut" | "aborted" | "lost"): KubeError {
  if (error instanceof KubeError) return error;
  const cause = error instanceof LostExchange ? error.cause : error;
  if (cause instanceof KubeError) return cause;
  // An answer that is no JSON comes from something in between, after it was sent.
  const sent = error instanceof LostExchange ? error.sent : error instanceof SyntaxError;
  const [reason, text] = {
    timedOut: ["Timeout", "no answer within the deadline"],
    aborted: ["Aborted", "ended by us"],
    lost: isTimeout(cause) ? ["Timeout", "no answer within the deadline"] : ["ConnectionLost", textOf(cause)],
  }[why] as [string, string];
  return new KubeError(
    { status: 0, reason, message: `${doing}: ${text}`, outcome: write && sent ? "unknown" : "refused" },
    { cause },
  );
}

const isTimeout = (cause: unknown) =>
  ["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT", "UND_ERR_CONNECT_TIMEOUT"].includes(codeOf(cause));

const codeOf = (cause: unknown) => (cause instanceof Error && "code" in cause ? String(cause.code) : "");

function textOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return textOf(cause.errors[0]);
  return cause instanceof Error ? cause.message || codeOf(cause) : String(cause);
}

type Said = Readonly<{ reason?: string; message?: string; retryAfterSeconds?: number; cause?: string }>;
type Status = Readonly<{
  kind?: string;
  reason?: string;
  message?: string;
  details?: Readonly<{ retryAfterSeconds?: number; causes?: readonly Readonly<{ reason?: string }>[] }>;
}>;

/** Told as `Forbidden`, but nobody's permissions are to blame, and no time will help. */
const ending = "NamespaceTerminating";

/** The fields of a `v1` Status; a proxy may have answered with something else. */
function statusObject(text: string): Said {
  try {
    const { kind, reason, message, details } = JSON.parse(text) as Status;
    if (kind !== "Status") return {};
    const retryAfterSeconds = details?.retryAfterSeconds;
    return {
      ...(reason === undefined ? {} : { reason }),
      ...(message === undefined ? {} : { message }),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      ...(details?.causes?.some((cause) => cause.reason === ending) ? { cause: ending } : {}),
    };
  } catch {
    return {};
  }
}

function retryAfterOf(header: string | string[] | undefined, seconds: number | undefined, status: number): number | undefined {
  const told = Number(header ?? seconds ?? Number.NaN);
  if (Number.isFinite(told) && told >= 0) return told * 1_000;
  return status === 429 ? defaultRetryAfterMs : undefined;
}

/** Where the answer holds no reason of its own. */
const words: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  410: "Expired",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};
