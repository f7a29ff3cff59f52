import { test } from "node:test";
import { heldThroughAll, networkFaults } from "../faults/support/elsewhere.ts";
import { startScaler } from "../support/external-scaler.ts";

test("a scaler in another process is refused, silent, stopped, killed, or says UNAVAILABLE: held (rows 1, 4, 5)", async () => {
  await using scaler = await startScaler();
  const fill = (jobs: number) => scaler.tell("put", { queue: "backlog", jobs });
  let waiting = 3;
  await fill(waiting);
  await heldThroughAll({
    source: {
      port: () => scaler.port,
      spec: (port) => ({
        external: {
          address: `127.0.0.1:${port}`,
          metadata: [{ name: "apiKey", valueFrom: { env: "WORKTIDE_TEST_PASSWORD" } }],
        },
      }),
      waiting: () => waiting,
    },
    trigger: { external: { metadata: { queue: "backlog" } } },
    faults: [
      ...networkFaults,
      { name: "SIGSTOP", sees: "timeout", begin: () => scaler.freeze(true), end: () => scaler.freeze(false) },
      {
        name: "kill -9",
        sees: "unreachable",
        begin: scaler.kill9,
        async end() {
          await scaler.restart();
          await fill(waiting);
        },
      },
      {
        name: "UNAVAILABLE",
        sees: "unreachable",
        outage: false,
        begin: () => scaler.tell("answer", { status: 14 }),
        end: () => scaler.tell("answer", {}),
      },
    ],
    async shorten() {
      waiting = 1;
      await scaler.tell("take", { queue: "backlog", jobs: 2 });
    },
  });
});
