import { Agent, request } from "undici";
import { BrokerError, type Problem } from "../core/contract.ts";
import { formatHostPort, type HostPort } from "./host-port.ts";
import type { Login, RabbitAddress, RabbitSettings } from "./rabbitmq-settings.ts";
import { codeOf, hide, kindOfCode, messageOf, oneClause } from "./socket-problem.ts";
import { tlsOptions } from "./tls.ts";

/** RabbitMQ's management API (plugin `rabbitmq_management`). */
export interface Management {
  /** For people: "http://rabbitmq.shop:15672". */
  readonly address: string;
  /** What a path below `/api/` answers; anything but a success in JSON throws BrokerError. */
  get(path: string): Promise<unknown>;
  destroy(): void;
}

/** No answer may take longer: AMQP's stands in for it, within the deadline of one reading. */
const answerMs = 1500;

/** Undefined where it is turned off. Nothing is asked yet. Throws BrokerError when a certificate cannot be read. */
export async function openManagement(
  settings: RabbitSettings,
  amqp: RabbitAddress,
  node: HostPort,
): Promise<Management | undefined> {
  const { management, tls } = settings;
  if (!management.enabled) return undefined;
  const { username, password } = management;
  const own = password === undefined ? undefined : { username: username ?? "", password };
  const login = username === undefined ? amqp.login : own;
  const host = formatHostPort({ host: node.host, port: amqp.tls ? 15671 : 15672 });
  const base = new URL(management.url ?? `${amqp.tls ? "https" : "http"}://${host}`);
  const dispatcher = new Agent({
    connections: 2,
    pipelining: 1,
    allowH2: false,
    headersTimeout: answerMs,
    bodyTimeout: answerMs,
    connect: { timeout: answerMs, ...(await tlsOptions(tls)) },
  });
  return createManagement(base, login, dispatcher);
}

function createManagement(base: URL, login: Login | undefined, dispatcher: Agent): Management {
  const address = base.origin;
  const prefix = base.pathname.replace(/\/+$/, "");
  const authorization = login && `Basic ${Buffer.from(`${login.username}:${login.password}`).toString("base64")}`;
  const fail = (problem: Problem) => new BrokerError({ ...problem, message: `management API at ${address}: ${problem.message}` });
  return {
    address,
    async get(path) {
      // A plain timer, cleared at the end: AbortSignal.timeout leaks.
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(), answerMs);
      try {
        const { statusCode, headers, body } = await request(`${address}${prefix}/api/${path}`, {
          dispatcher,
          signal: late.signal,
          headers: { accept: "application/json", ...(authorization !== undefined && { authorization }) },
        });
        const text = await body.text();
        const problem = problemOfAnswer(statusCode, String(headers["content-type"] ?? ""));
        if (problem) throw fail(problem);
        return parse(text);
      } catch (error) {
        if (error instanceof BrokerError) throw error;
        throw fail(problemOf(error, login));
      } finally {
        clearTimeout(timer);
      }
    },
    destroy: () => void dispatcher.destroy(),
  };
}

/** A proxy may answer for a server that is gone, with a page of its own and success. */
function problemOfAnswer(status: number, type: string): Problem | undefined {
  if (status === 401 || status === 403) return { kind: "auth", message: `the login is refused (${status})` };
  if (status === 404) return { kind: "missing", message: "not found (404)" };
  if (status !== 200) return { kind: "unreachable", message: `answers with status ${status}` };
  return type.includes("json") ? undefined : { kind: "invalid", message: "answers with something that is not JSON" };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new BrokerError({ kind: "invalid", message: "the management API answers with broken JSON" });
  }
}

function problemOf(error: unknown, login: Login | undefined): Problem {
  if (!(error instanceof Error)) return { kind: "internal", message: "something that is no error was thrown" };
  const code = codeOf(error);
  if (/Timeout|Abort/.test(error.name) || /TIMEOUT/.test(code)) return { kind: "timeout", message: "no answer" };
  const text = oneClause(messageOf(error, code));
  return { kind: kindOfCode(code) ?? "unreachable", message: hide(text, login === undefined ? [] : [login.password]) };
}
