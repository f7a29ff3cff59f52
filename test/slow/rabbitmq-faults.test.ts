import { test } from "node:test";
import { networkFaults } from "../faults/support/elsewhere.ts";
import { throughRabbit } from "../faults/support/rabbitmq.ts";
import { skipWithoutRabbit } from "../support/rabbitmq.ts";

const skip = await skipWithoutRabbit();

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
