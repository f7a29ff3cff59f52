import { BrokerError, type Problem } from "../core/contract.ts";
import { abortable } from "./abortable.ts";
import { formatHostPort, type HostPort, parseHostPort } from "./host-port.ts";
import { type Link, type LinkOptions, openLink } from "./redis-link.ts";
import { redisProblem } from "./redis-problem.ts";
import type { RedisSettings } from "./redis-settings.ts";

type Sentinel = NonNullable<RedisSettings["sentinel"]>;

/** How long the Sentinels are waited for once one has answered, ms: those that are down do not use up the deadline of the dial. */
const ASK_MS = 1_000;
/** And how long as none has. */
const FIRST_MS = 2_000;
const CHECK_MS = 30_000;
const LISTEN_AGAIN_MS = 1_000;

/**
 * The addresses that the Sentinels name for the primary, the one that most of them name first: during a partition they
 * may disagree. Throws BrokerError when none answers, or none knows it.
 */
export async function namedPrimaries(
  settings: RedisSettings,
  sentinel: Sentinel,
  signal: AbortSignal,
): Promise<readonly HostPort[]> {
  const asked = await askAll(settings, sentinel, signal);
  const votes = new Map<string, number>();
  for (const answer of asked) {
    if (typeof answer === "string") votes.set(answer, (votes.get(answer) ?? 0) + 1);
  }
  if (votes.size > 0) return [...votes].sort((a, b) => b[1] - a[1]).map(([named]) => parseHostPort(named));
  if (asked.includes(null)) throw new BrokerError({ kind: "missing", message: `Sentinel knows no primary '${sentinel.master}'` });
  const problems = asked.filter((answer): answer is Problem => typeof answer === "object" && answer !== null);
  const worst = problems.find(({ kind }) => kind === "auth" || kind === "tls") ?? problems[0];
  throw new BrokerError({
    kind: worst?.kind ?? "unreachable",
    message: `no Sentinel answered: ${worst?.message ?? "none is given"}`,
  });
}

/** host:port, or null where a Sentinel does not know the name, or why it did not answer. */
type Answer = string | null | Problem;

async function askAll(settings: RedisSettings, sentinel: Sentinel, signal: AbortSignal): Promise<readonly Answer[]> {
  const limit = new AbortController();
  const stop = () => limit.abort();
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  let heard = false;
  let late = false;
  const soon = setTimeout(() => {
    late = true;
    if (heard) stop();
  }, ASK_MS);
  const last = setTimeout(stop, FIRST_MS);
  const listen = (answer: Answer) => {
    heard ||= answer === null || typeof answer === "string";
    if (heard && late) stop();
    return answer;
  };
  try {
    const nodes = sentinel.nodes.map((node) => parseHostPort(node));
    return await Promise.all(nodes.map((node) => ask(node, settings, sentinel, limit.signal).then(listen)));
  } finally {
    clearTimeout(soon);
    clearTimeout(last);
    signal.removeEventListener("abort", stop);
  }
}

async function ask(node: HostPort, settings: RedisSettings, sentinel: Sentinel, signal: AbortSignal): Promise<Answer> {
  let link: Link | undefined;
  try {
    link = await openLink(optionsOf(node, settings, sentinel), signal);
    const named = await abortable(link.send(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinel.master]), signal);
    return Array.isArray(named) ? formatHostPort({ host: String(named[0]), port: Number(named[1]) }) : null;
  } catch (error) {
    return redisProblem(error);
  } finally {
    link?.destroy();
  }
}

function optionsOf(node: HostPort, { tls }: RedisSettings, { username, password }: Sentinel): LinkOptions {
  const login = { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
  return { address: { ...node, ...login, database: 0, tls: tls !== undefined }, tls, sentinel: true };
}

/**
 * Gives the connection up once Sentinel names another primary: it says so when it happens, which can be 10 s before the
 * old one hears of it, and is asked now and then, for words get lost. A Sentinel that is down changes nothing.
 */
export function followPrimary(link: Link, settings: RedisSettings, sentinel: Sentinel): void {
  const ended = new AbortController();
  const check = async () => {
    const named = await namedPrimaries(settings, sentinel, ended.signal).catch(() => undefined);
    const first = named?.[0];
    if (first && formatHostPort(first) !== link.address) link.destroy(movedAway(formatHostPort(first)));
  };
  const timer = setInterval(() => void check(), CHECK_MS);
  timer.unref();
  void link.lost.then(() => {
    clearInterval(timer);
    ended.abort();
  });
  void listen(settings, sentinel, (primary) => primary !== link.address && link.destroy(movedAway(primary)), ended.signal);
}

/** Hears of each new primary from one Sentinel at a time, until `signal` fires. */
async function listen(
  settings: RedisSettings,
  sentinel: Sentinel,
  moved: (primary: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    const node = parseHostPort(sentinel.nodes[turn % sentinel.nodes.length] ?? "");
    const ear = await openLink(optionsOf(node, settings, sentinel), signal).catch(() => undefined);
    const end = () => ear?.destroy();
    signal.addEventListener("abort", end, { once: true });
    // The message: name, old host, old port, new host, new port.
    const heard = (_: string, message: string) => {
      const [name, , , host = "", port] = message.split(" ");
      if (name === sentinel.master) moved(formatHostPort({ host, port: Number(port) }));
    };
    await ear?.subscribe("+switch-master", heard, signal).catch(end);
    await ear?.lost;
    signal.removeEventListener("abort", end);
    if (!signal.aborted) await pause(LISTEN_AGAIN_MS);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());

const movedAway = (address: string): Problem => ({ kind: "replica", message: `Sentinel names another primary, ${address}` });
