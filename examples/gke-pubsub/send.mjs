// Publishes mails: node send.mjs 20
import { PubSub } from "@google-cloud/pubsub";

const { GOOGLE_CLOUD_PROJECT: projectId, TOPIC: name = "mails" } = process.env;
const topic = new PubSub({ projectId }).topic(name);
const count = Number(process.argv[2] ?? 1);
await Promise.all(Array.from({ length: count }, (_, i) => topic.publishMessage({ data: Buffer.from(`mail ${i + 1}`) })));
console.log(`${count} published`);
