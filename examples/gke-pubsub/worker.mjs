// Sends the mails of a subscription, one at a time. On SIGTERM it takes no more, and ends once the one in hand is sent.
import { appendFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { PubSub } from "@google-cloud/pubsub";

const {
  GOOGLE_CLOUD_PROJECT: projectId,
  SUBSCRIPTION: name = "mails",
  OUTBOX: outbox = "outbox",
  SECONDS: seconds = "2",
} = process.env;

const subscription = new PubSub({ projectId }).subscription(name, {
  // As `concurrency`: what a worker has fetched ahead, no other one can begin.
  flowControl: { maxMessages: 1, allowExcessMessages: false },
});
subscription.on("message", async (message) => {
  await pause(Number(seconds) * 1000);
  await appendFile(outbox, `${message.data} by ${process.env.WORKTIDE_WORKER_ID ?? process.pid}\n`);
  message.ack(); // only now: a mail that was cut off goes to another worker
});
subscription.on("error", (error) => {
  console.error(error.message);
  process.exit(1);
});

process.once("SIGTERM", async () => {
  await subscription.close(); // waits for the one in hand
  process.exit(0);
});
