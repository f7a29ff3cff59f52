import { randomUUID } from "node:crypto";
import { type Broker, BrokerError, type Problem, type Session } from "../core/contract.ts";
import { abortable } from "./abortable.ts";
import { createEnding, readingSession } from "./session.ts";
import { openWeb, refusalOf, type Web, type WebAnswer } from "./web.ts";
import { describeWeb, type WebSettings, webAddressOf, webSettings } from "./web-settings.ts";

/** What scalers ask of a service by HTTP. */
export interface WebReader extends Pick<Web, "ask"> {
  /** Changes with every dial: whether it is still the same service behind an address nobody knows. */
  readonly epoch: string;
}

type WebKind = Readonly<{
  type: string;
  summary: string;
  /** An address, for the docs. */
  example: string;
  /** What is asked first, below the address; and what is wrong with the answer. */
  greeting: string;
  welcome(answer: WebAnswer): Problem | undefined;
}>;

/** An answer must be whole before the deadline of a reading has passed, so that one that is late is not the fault of all. */
const limits = { answerMs: 1500, connections: 8, maxBytes: 4 * 2 ** 20 };

/**
 * A service behind an address, asked over a few connections that all of its triggers share. It has no connection that could
 * be lost: what fails is the next question.
 */
export function webBroker({ type, summary, example, greeting, welcome }: WebKind): Broker<WebReader, WebSettings> {
  return {
    type,
    summary,
    settings: webSettings(type, example),
    address: (settings) => describeWeb(type, settings),
    async open(settings, signal) {
      const web = await openWeb(webAddressOf(settings), limits);
      try {
        const problem = welcome(await abortable(web.ask(greeting), signal));
        if (problem) throw new BrokerError(problem);
        return sessionOf(web);
      } catch (error) {
        web.destroy();
        throw error;
      }
    },
  };
}

function sessionOf(web: Web): Session<WebReader> {
  return readingSession({ ask: web.ask, epoch: randomUUID() }, createEnding(web.destroy));
}

/** Any HTTP service. What stands at its address itself is nobody's business, as long as it lets us in and is there. */
export const httpBroker = webBroker({
  type: "http",
  summary: "Any service that tells numbers by HTTP, in JSON or as Prometheus reads them.",
  example: "https://jobs.shop:8080",
  greeting: "",
  welcome: (answer) => {
    const problem = refusalOf(answer);
    const gone = problem?.kind === "unreachable" && answer.status > 501;
    return answer.status === 401 || gone ? problem : undefined;
  },
});
