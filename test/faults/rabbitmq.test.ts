import { test } from "node:test";
import { skipWithoutRabbit } from "../support/rabbitmq.ts";
import { networkFaults } from "./support/elsewhere.ts";
import { queue, throughRabbit } from "./support/rabbitmq.ts";

const skip = await skipWithoutRabbit();

test("RabbitMQ is refused, and short of memory; a queue is deleted and declared again: held (rows 1, 31, 50, 51)", { skip }, () =>
  throughRabbit((server, { client, fill }) => [
    ...networkFaults.slice(0, 1),
    {
      name: "memory alarm",
      sees: undefined,
      begin: () => server.ctl("set_vm_memory_high_watermark", "0.00001"),
      end: () => server.ctl("set_vm_memory_high_watermark", "0.4"),
    },
    {
      name: "deleted",
      sees: "missing",
      outage: false,
      async begin() {
        const channel = await client().model.createChannel();
        await channel.deleteQueue(queue);
        await channel.close();
      },
      end: fill,
    },
  ]),
);
