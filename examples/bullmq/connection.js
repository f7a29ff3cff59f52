import { createClient } from "@redis/client";

/** One connection for each process, to the Redis of REDIS_URL. */
export const connection = createClient({ url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379" });
connection.on("error", (error) => console.error(error.message));

/** The queue of this shop. */
export const queueName = process.env.QUEUE ?? "mails";
