// Puts one job into each queue that is named on stdin, one name a line, and prints when it began to, monotonic ms:
// `node bench/loads/push.ts redis|bullmq URL`.
import { createInterface } from "node:readline";
import { createClient } from "@redis/client";
import { Queue } from "bullmq";
import { monotonicMs } from "../../src/brokers/clock.ts";

const [kind, url = ""] = process.argv.slice(2);
const client = createClient({ url });
client.on("error", () => {}).setMaxListeners(0); // it ends with its server; each Queue listens to it
await client.connect();
const queues = new Map<string, Queue>();
const queueOf = (name: string) => {
  const queue = queues.get(name) ?? new Queue(name, { connection: client });
  queues.set(name, queue);
  return queue;
};

for await (const name of createInterface({ input: process.stdin })) {
  // A Queue that has just been made asks Redis for its version first: no part of adding a job.
  if (kind === "bullmq") await queueOf(name).waitUntilReady();
  const at = monotonicMs();
  if (kind === "bullmq") await queueOf(name).add("job", { at });
  else await client.lPush(name, String(at));
  process.stdout.write(`${JSON.stringify({ name, at })}\n`);
}
process.exit();
