import { z } from "zod";
import { type Api, defineApi } from "../../src/api/define.ts";
import { duration } from "../../src/api/duration.ts";
import { text } from "../../src/api/fields.ts";
import { secretReference } from "../../src/api/secrets.ts";
import type { AnyBroker, AnyScaler, Broker, Scaler } from "../../src/core/contract.ts";

/** A broker and scalers that are only declared: enough for everything that reads documents. */
const never = () => {
  throw new Error("a sample is never read");
};

const redis: Broker<unknown, unknown> = {
  type: "redis",
  summary: "Redis.",
  settings: z.object({
    url: text(1024).optional().describe("Address. Example: `redis://127.0.0.1:6379/0`."),
    urlFrom: secretReference().optional().describe("Address with its password, as a secret."),
    username: text(128).optional().describe("ACL user. Example: `worktide`."),
    passwordFrom: secretReference().optional().describe("Password."),
  }),
  address: () => "redis",
  open: never,
};

const amqp: Broker<unknown, unknown> = {
  type: "amqp",
  summary: "RabbitMQ.",
  settings: z.object({ url: text(1024).describe("Address. Example: `amqp://127.0.0.1`.") }),
  address: () => "amqp",
  open: never,
};

const common = { everyMs: 1000, read: never };

const mail: Scaler<unknown, unknown> = {
  ...common,
  type: "mail",
  summary: "A queue that shows who works on what.",
  broker: "redis",
  query: z.object({
    queue: text(256).describe("Name of the queue. Example: `mails`."),
    lookAhead: duration({ min: "0s", max: "1h" }).prefault("30s").describe("Delayed jobs due so soon count. Example: `1m`."),
  }),
  sight: () => ({ running: true, workers: true }),
};

type ListQuery = Readonly<{ list: Readonly<{ key: string; processing?: string }> }>;

const plain: Scaler<ListQuery, unknown> = {
  ...common,
  type: "plain",
  summary: "A list.",
  broker: "redis",
  query: z.object({
    list: z
      .strictObject({
        key: text(256).describe("Key of the list. Example: `jobs`."),
        processing: text(256).optional().describe("List that jobs in hand move to. Example: `jobs:busy`."),
      })
      .describe("The list."),
  }),
  sight: (query) => ({
    running: query.list.processing !== undefined,
    workers: false,
    shownBy: "`plain.list.processing` (the list that workers move jobs to)",
  }),
};

const rabbit: Scaler<unknown, unknown> = {
  ...common,
  type: "rabbit",
  summary: "A RabbitMQ queue.",
  broker: "amqp",
  query: z.object({ queue: text(256).describe("Name of the queue. Example: `mails`.") }),
  sight: () => ({ running: true, workers: false }),
};

export const sampleScalers: readonly AnyScaler[] = [mail, plain, rabbit];
export const sampleBrokers: readonly AnyBroker[] = [redis, amqp];
export const sampleApi: Api = defineApi(sampleScalers, sampleBrokers);
