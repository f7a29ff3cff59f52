// node send-mails.js COUNT [--seconds 3] [--delay 0] [--failures 0], or node send-mails.js --pause | --resume
import { parseArgs } from "node:util";
import { Queue } from "bullmq";
import { connection, queueName } from "./connection.js";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "3" },
    delay: { type: "string", default: "0" },
    failures: { type: "string", default: "0" },
    pause: { type: "boolean", default: false },
    resume: { type: "boolean", default: false },
  },
});
const queue = new Queue(queueName, { connection });

if (values.pause) await queue.pause();
if (values.resume) await queue.resume();

const data = { seconds: Number(values.seconds), failures: Number(values.failures) };
const opts = {
  delay: Number(values.delay) * 1000,
  attempts: 5,
  backoff: { type: "exponential", delay: 500 },
  removeOnComplete: 1000, // finished jobs are no backlog, but they are kept in Redis for as long as nobody says otherwise
};
const count = Number(positionals[0] ?? 0);
await queue.addBulk(Array.from({ length: count }, () => ({ name: "mail", data, opts })));

await queue.close();
connection.destroy();
