import { createClient } from "@redis/client";
import { produceTasks } from "./workers/start.ts";

/** What the Redis transport of kombu puts in a list, as far as it differs from task to task. */
type Message = {
  body: string;
  headers: { id: string; root_id: string };
  properties: { correlation_id: string; delivery_tag: string };
};

/**
 * Sends tasks to one queue as many as are asked for, without a Python process each time: a real producer sends the
 * first, which is taken back and used as the pattern of all others.
 */
export async function createTaskSender(python: string, url: string, queue: string) {
  const client = createClient({ url }).on("error", () => {});
  await client.connect();
  await produceTasks(python, { REDIS_URL: url }, [{ ms: 0, queue }]);
  const pattern = await client.rPop(queue);
  if (pattern === null) throw new Error(`the real producer left nothing in ${queue}`);
  return {
    /** Resolves with the ids of the tasks. */
    async send(durations: readonly number[]): Promise<readonly string[]> {
      const messages = durations.map((ms) => {
        const message = JSON.parse(pattern) as Message;
        const id = crypto.randomUUID();
        const [, ...rest] = JSON.parse(Buffer.from(message.body, "base64").toString()) as unknown[];
        message.body = Buffer.from(JSON.stringify([[ms], ...rest])).toString("base64");
        Object.assign(message.headers, { id, root_id: id });
        Object.assign(message.properties, { correlation_id: id, delivery_tag: crypto.randomUUID() });
        return { id, text: JSON.stringify(message) };
      });
      await client.lPush(
        queue,
        messages.map(({ text }) => text),
      );
      return messages.map(({ id }) => id);
    },
    [Symbol.dispose]: () => client.destroy(),
  };
}
