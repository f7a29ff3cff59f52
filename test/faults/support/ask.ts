import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";

/** The body of a page, over a connection of its own: a kept one may be closed under the question. */
export async function ask(url: string, ms = 30_000): Promise<string> {
  const request = get(url, { agent: false, signal: AbortSignal.timeout(ms) });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return text(response);
}
