import { test } from "node:test";
import { behindTls, heldThroughCertificates } from "../faults/support/certificates.ts";
import { answerFaults, dialFaults, type Fault, heldThroughAll, networkFaults } from "../faults/support/elsewhere.ts";
import { startScaler, type TestScaler } from "../support/external-scaler.ts";

/** It answers with a status of gRPC. */
const answers = (name: string, status: number, sees: Fault["sees"]) => (tell: TestScaler["tell"]) => ({
  ...{ name, sees, outage: false },
  begin: () => tell("answer", { status }),
  end: () => tell("answer", {}),
});
const statuses = [
  answers("UNAVAILABLE", 14, "unreachable"),
  answers("DEADLINE_EXCEEDED", 4, "timeout"),
  answers("RESOURCE_EXHAUSTED", 8, "limit"),
  answers("UNAUTHENTICATED", 16, "auth"),
  answers("NOT_FOUND", 5, "missing"),
];

test("a scaler in another process is refused, silent, mute, without a name, slow, cut off, stopped, killed, or says that it cannot: held (rows 1, 4, 5, 16, 30, 31, 40, 41, 42, 54)", async () => {
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
    // gRPC ends a connection in order: what was given up stays for as long as the other end is slow.
    clients: 6,
    faults: [
      ...networkFaults,
      ...dialFaults,
      ...answerFaults,
      { name: "SIGSTOP", sees: "timeout", begin: () => scaler.freeze(true), end: () => scaler.freeze(false) },
      {
        name: "a negative number",
        sees: "invalid",
        outage: false,
        begin: () => scaler.tell("value", { queue: "backlog", value: -3 }),
        // It keeps that number until it is started again.
        end: () => scaler.tell("value", { queue: "backlog", value: waiting }),
      },
      {
        name: "kill -9",
        sees: "unreachable",
        begin: scaler.kill9,
        async end() {
          await scaler.restart();
          await fill(waiting);
        },
      },
      ...statuses.map((answer) => answer(scaler.tell)),
    ],
    async shorten() {
      waiting = 1;
      await scaler.tell("take", { queue: "backlog", jobs: 2 });
    },
  });
});

test("a scaler in another process shows a certificate that is not to be trusted: named, held, and asked again without a restart (row 43)", async (t) => {
  await using scaler = await startScaler();
  await scaler.tell("put", { queue: "backlog", jobs: 3 });
  await heldThroughCertificates(t, {
    serve: behindTls(() => scaler.port, "h2"),
    spec: (port, tls) => ({ external: { address: `127.0.0.1:${port}`, tls } }),
    trigger: { external: { metadata: { queue: "backlog" } } },
  });
});
