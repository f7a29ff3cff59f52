import { randomUUID } from "node:crypto";
import { titleOfReference } from "../api/secrets.ts";
import { type Broker, BrokerError, type Problem, type Session } from "../core/contract.ts";
import { abortable } from "./abortable.ts";
import { monotonicMs } from "./clock.ts";
import { formatHostPort } from "./host-port.ts";
import type { RabbitReader } from "./rabbitmq-client.ts";
import { openLink, type RabbitLink } from "./rabbitmq-link.ts";
import { type Management, openManagement } from "./rabbitmq-management.ts";
import { rabbitProblem } from "./rabbitmq-problem.ts";
import { at, count, rowsOf } from "./rabbitmq-rows.ts";
import {
  addressOf,
  parseUrl,
  type RabbitAddress,
  type RabbitDeclared,
  type RabbitSettings,
  rabbitSettings,
} from "./rabbitmq-settings.ts";
import { createSurveyor, type Surveyor } from "./rabbitmq-survey.ts";
import { readingSession } from "./session.ts";

/**
 * RabbitMQ 3.10 or newer by AMQP 0-9-1 and by its management API. The user needs the tag `monitoring` (with less, who
 * is busy is not known; with none, only what is ready) and no permission in the virtual host but to enter it.
 */
export const rabbitBroker: Broker<RabbitReader, RabbitSettings> = {
  type: "rabbitmq",
  summary: "RabbitMQ: AMQP 0-9-1, and the management API.",
  settings: rabbitSettings,
  address: describe,
  async open(settings, signal) {
    const address = addressOf(settings);
    const link = await openLink(address, settings.tls, signal).catch((error) => explain(error, settings, address));
    try {
      const management = await openManagement(settings, address, link.node);
      return sessionOf(link, createReader(settings, address, link, management), management);
    } catch (error) {
      link.destroy();
      throw new BrokerError(rabbitProblem(error), { cause: error });
    }
  },
};

/** Whether the virtual host exists, or is full, AMQP's refusal does not say, but the management API does. */
async function explain(error: unknown, settings: RabbitSettings, address: RabbitAddress): Promise<never> {
  const node = address.nodes[0];
  if (!node || !(error instanceof BrokerError) || !error.message.includes("virtual host")) throw error;
  const management = await openManagement(settings, address, node);
  if (!management) throw error;
  const problem = await whyShut(management, address.vhost).catch(() => undefined);
  management.destroy();
  throw problem ? new BrokerError(problem, { cause: error }) : error;
}

/** The API tells of a virtual host itself to administrators only; of its limits, and so whether there is one, to all who may look. */
async function whyShut(management: Management, vhost: string): Promise<Problem | undefined> {
  const path = encodeURIComponent(vhost);
  const limits = await management.get(`vhost-limits/${path}`).catch((error: unknown) => {
    if (error instanceof BrokerError && error.problem.kind === "missing") return undefined;
    throw error;
  });
  if (limits === undefined) return { kind: "missing", message: `there is no virtual host '${vhost}'` };
  const most = count(at(rowsOf(limits)[0], "value", "max-connections"));
  if (most === undefined) return undefined;
  const there = rowsOf(await management.get(`vhosts/${path}/connections?columns=name`)).length;
  return there < most ? undefined : { kind: "limit", message: `virtual host '${vhost}' is full: it takes ${most} connections` };
}

type Reader = RabbitReader & Readonly<{ destroy(): void }>;
type Place = {
  readonly survey: Surveyor;
  link: RabbitLink | undefined;
  epoch: string;
  dialling?: Promise<RabbitLink> | undefined;
};

/** Another virtual host that could not be entered is tried again after so many ms. */
const againMs = 5000;

function createReader(
  settings: RabbitSettings,
  address: RabbitAddress,
  main: RabbitLink,
  management: Management | undefined,
): Reader {
  const { statisticsInterval } = settings.management;
  const placeOf = (vhost: string, link?: RabbitLink): Place => ({
    survey: createSurveyor(vhost, management, statisticsInterval),
    link,
    epoch: randomUUID(),
  });
  const places = new Map([[address.vhost, placeOf(address.vhost, main)]]);
  const refused = new Map<string, Readonly<{ problem: Problem; until: number }>>();
  let speaker: Promise<RabbitLink> | undefined;
  let gone = false;

  /** Other virtual hosts have connections of their own, which come and go behind the first one. */
  const enter = async (vhost: string, place: Place, signal: AbortSignal): Promise<RabbitLink> => {
    if (place.link) return place.link;
    const no = refused.get(vhost);
    if (no && monotonicMs() < no.until) throw new BrokerError(no.problem);
    place.dialling ??= dialOther(vhost, place);
    return abortable(place.dialling, signal);
  };

  /** Behind the first connection nobody waits for others: they have a time of their own. */
  const dialInTime = async (to: RabbitAddress): Promise<RabbitLink> => {
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), againMs);
    try {
      const link = await openLink(to, settings.tls, patience.signal);
      if (gone) link.destroy();
      return link;
    } finally {
      clearTimeout(timer);
    }
  };

  const dialSpeaker = (): Promise<RabbitLink> => {
    const dialled = dialInTime(address);
    const forget = () => {
      if (speaker === dialled) speaker = undefined;
    };
    dialled.then(({ lost }) => lost.then(forget), forget);
    return dialled;
  };

  const dialOther = async (vhost: string, place: Place): Promise<RabbitLink> => {
    const other = { ...address, vhost };
    try {
      const link = await dialInTime(other).catch((error) => explain(error, settings, other));
      place.link = link;
      place.epoch = randomUUID();
      void link.lost.then(() => {
        place.link = undefined;
      });
      return link;
    } catch (error) {
      refused.set(vhost, { problem: rabbitProblem(error), until: monotonicMs() + againMs });
      throw error;
    } finally {
      place.dialling = undefined;
    }
  };

  return {
    kind: "rabbitmq",
    vhost: address.vhost,
    async survey(vhost, queues, patterns, signal) {
      const place = places.get(vhost) ?? placeOf(vhost);
      places.set(vhost, place);
      const link = await enter(vhost, place, signal);
      return place.survey(link, place.epoch, queues, patterns, signal);
    },
    async speak() {
      speaker ??= dialSpeaker();
      return (await speaker).channel();
    },
    destroy() {
      gone = true;
      speaker?.then(
        (link) => link.destroy(),
        () => {},
      );
      for (const { link } of places.values()) link?.destroy();
    },
  };
}

function sessionOf(link: RabbitLink, reader: Reader, management: Management | undefined): Session<RabbitReader> {
  const destroy = () => {
    reader.destroy();
    management?.destroy();
  };
  return readingSession<RabbitReader>(reader, { lost: link.lost, destroy });
}

/** Also of settings as they are declared, where the address may be a reference only. */
function describe({ url, urlFrom, vhost }: RabbitSettings & Pick<RabbitDeclared, "urlFrom">): string {
  const parsed = url === undefined ? undefined : parseUrl(url);
  if (parsed) return `${parsed.tls ? "amqps" : "amqp"}://${formatHostPort(parsed.node)}, virtual host ${vhost ?? parsed.vhost}`;
  return url === undefined ? `rabbitmq at the address in ${titleOfReference(urlFrom)}` : "rabbitmq";
}
