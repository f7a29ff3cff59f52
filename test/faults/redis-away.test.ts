import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { heldDuring, whileBusy } from "./support/scenario.ts";

/** Longer than the deadline of a reading, so that each fault is noticed. */
const longMs = 3500;
const onMain = { connection: "main" } as const;
const lasting = ["--appendonly", "yes", "--appendfsync", "always"];

suite("Redis goes away while workers have jobs in hand", { concurrency: 3 }, () => {
  test("refused connections: held, and back by itself (row 1)", async () => {
    const verdict = await whileBusy({}, (stage) =>
      stage.fault({ fault: "refused", ...onMain, outage: true }, async () => {
        await stage.proxy.set({ kind: "refuse" });
        stage.proxy.cut();
        await stage.sees("mails", "unreachable");
        await pause(longMs);
        await stage.proxy.set({ kind: "pass" });
      }),
    );
    heldDuring(verdict, "refused");
  });

  test("a gateway whose server is gone is dialled gently (rows 1, 5)", async () => {
    const verdict = await whileBusy({}, (stage) =>
      stage.fault({ fault: "reset", ...onMain, outage: true }, async () => {
        await stage.proxy.set({ kind: "reset" });
        stage.proxy.cut();
        await stage.sees("mails", "unreachable");
        await pause(longMs);
        await stage.proxy.set({ kind: "pass" });
      }),
    );
    heldDuring(verdict, "reset");
  });

  test("killed, and started again with its data: workers and we come back (row 5)", async () => {
    const verdict = await whileBusy({ redisArgs: lasting, maybeHeld: true }, (stage) =>
      stage.fault({ fault: "kill -9", ...onMain, outage: true }, async () => {
        await stage.redis.kill9();
        await stage.sees("mails", "unreachable");
        await pause(longMs);
        await stage.redis.restart();
      }),
    );
    heldDuring(verdict, "kill -9");
  });

  test("stopped: TCP lives on and nothing answers (row 4)", async () => {
    const verdict = await whileBusy({}, (stage) =>
      stage.fault({ fault: "SIGSTOP", ...onMain, outage: true }, async () => {
        stage.redis.stopProcess();
        await stage.sees("mails", "timeout");
        await pause(longMs);
        stage.redis.contProcess();
      }),
    );
    heldDuring(verdict, "SIGSTOP");
  });

  test("a half-open connection is dropped at the deadline, and a new one works (row 4)", async () => {
    await whileBusy({}, (stage) =>
      stage.fault({ fault: "half-open", ...onMain }, async () => {
        await stage.proxy.set({ kind: "freeze" });
        await stage.sees("mails", "timeout");
        await stage.sees("mails", undefined);
      }),
    );
  });

  test("a handshake that never ends (row 40)", async () => {
    const verdict = await whileBusy({}, (stage) =>
      stage.fault({ fault: "mute", ...onMain, outage: true }, async () => {
        await stage.proxy.set({ kind: "mute" });
        stage.proxy.cut();
        await stage.sees("mails", "timeout");
        await pause(longMs);
        await stage.proxy.set({ kind: "pass" });
      }),
    );
    heldDuring(verdict, "mute");
  });

  test("connections that are cut over and over (row 5)", async () => {
    await whileBusy({}, (stage) =>
      stage.fault({ fault: "cuts", ...onMain, readable: true }, async () => {
        for (let round = 0; round < 8; round++) {
          stage.proxy.cut(round % 2 === 0 ? "rst" : "fin");
          await pause(400);
        }
      }),
    );
  });
});
