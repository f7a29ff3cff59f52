import { test } from "node:test";
import { networkFaults } from "../faults/support/elsewhere.ts";
import { queue, throughRabbit } from "../faults/support/rabbitmq.ts";
import { skipWithoutRabbit } from "../support/rabbitmq.ts";

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
test("RabbitMQ is silent, mute, stopped, killed and back without statistics: held (rows 4, 5, 7, 40)", { skip }, () =>
  throughRabbit((server, { again }) => [
    ...networkFaults.slice(1),
    {
      name: "mute",
      sees: "timeout",
      async begin({ proxy }) {
        await proxy.set({ kind: "mute" });
        proxy.cut();
      },
      end: ({ proxy }) => proxy.set({ kind: "pass" }),
    },
    { name: "SIGSTOP", sees: "timeout", begin: server.stopProcess, end: server.contProcess },
    {
      name: "kill -9",
      sees: "unreachable",
      begin: server.kill9,
      async end() {
        await server.restart();
        await again();
      },
    },
  ]),
);
