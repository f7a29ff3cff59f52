import { BrokerError, type Problem } from "../core/contract.ts";
import { formatHostPort, type HostPort } from "./host-port.ts";
import type { RabbitAddress, RabbitSettings } from "./rabbitmq-settings.ts";
import { openWeb, parseJson, refusalOf, type Web } from "./web.ts";
import { basic } from "./web-settings.ts";

/** RabbitMQ's management API (plugin `rabbitmq_management`). */
export interface Management {
  /** For people: "http://rabbitmq.shop:15672". */
  readonly address: string;
  /** What a path below `/api/` answers; anything but a success in JSON throws BrokerError. */
  get(path: string): Promise<unknown>;
  destroy(): void;
}

/** No answer may take longer: AMQP's stands in for it, within the deadline of one reading. */
const limits = { answerMs: 1500, connections: 2, maxBytes: 16 * 2 ** 20 };

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
  const { origin, pathname } = new URL(management.url ?? `${amqp.tls ? "https" : "http"}://${host}`);
  const headers: Record<string, string> = login === undefined ? {} : { authorization: basic(login) };
  const secrets = login === undefined ? [] : [login.password];
  const base = `${origin}${pathname.replace(/\/+$/, "")}`;
  return createManagement(origin, await openWeb({ base, headers, secrets, tls }, limits));
}

function createManagement(address: string, web: Web): Management {
  const fail = ({ kind, message }: Problem) => new BrokerError({ kind, message: `management API at ${address}: ${message}` });
  return {
    address,
    async get(path) {
      const answer = await web.ask(`/api/${path}`).catch((error) => {
        throw fail((error as BrokerError).problem);
      });
      const problem = refusalOf(answer);
      if (problem) throw fail(problem);
      if (!answer.type.includes("json")) throw fail({ kind: "invalid", message: "answers with something that is not JSON" });
      try {
        return parseJson(answer.text);
      } catch (error) {
        throw fail((error as BrokerError).problem);
      }
    },
    destroy: web.destroy,
  };
}
