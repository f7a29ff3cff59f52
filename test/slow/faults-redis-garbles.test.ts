import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { heldDuring, whileBusy } from "../faults/support/scenario.ts";
import { seedOf } from "../faults/support/seed.ts";
import { dropFirstReply, garble, insertReply } from "../support/proxy.ts";

const onMain = { connection: "main" } as const;

suite("Redis answers late, slowly or wrongly while workers have jobs in hand", { concurrency: 3 }, () => {
  test("slow but within the deadline is not down (row 42)", async () => {
    await whileBusy({}, (stage) =>
      stage.fault({ fault: "delay 600 ms", ...onMain, readable: true }, async () => {
        await stage.proxy.set({ kind: "delay", ms: 600 });
        await pause(3000);
        await stage.sees("mails", undefined);
        await stage.proxy.set({ kind: "pass" });
      }),
    );
  });

  test("answers after the deadline are void, and held (row 42)", async () => {
    const verdict = await whileBusy({}, (stage) =>
      stage.fault({ fault: "delay 2.3 s", ...onMain }, async () => {
        await stage.proxy.set({ kind: "delay", ms: 2300 });
        await stage.sees("mails", "timeout");
        await pause(3000);
        await stage.proxy.set({ kind: "pass" });
      }),
    );
    heldDuring(verdict, "delay 2.3 s");
  });

  test("a server that sleeps (row 42)", async () => {
    const verdict = await whileBusy({ maybeHeld: true }, (stage) =>
      stage.fault({ fault: "DEBUG SLEEP", ...onMain }, async () => {
        await stage.admin.sendCommand(["DEBUG", "SLEEP", "3.5"]);
      }),
    );
    heldDuring(verdict, "DEBUG SLEEP");
  });

  test("clients that are paused (row 42)", async () => {
    await whileBusy({}, (stage) =>
      stage.fault({ fault: "CLIENT PAUSE", ...onMain }, async () => {
        await stage.admin.sendCommand(["CLIENT", "PAUSE", "2500", "ALL"]);
        await pause(2600);
      }),
    );
  });

  for (const [name, edit] of [
    ["a reply that is lost", dropFirstReply],
    ["a reply that nobody asked for", insertReply],
    ["a reply that cannot be decoded", garble],
  ] as const) {
    test(`${name} shifts no answer to another question (row 41)`, async () => {
      await whileBusy({}, (stage) =>
        stage.fault({ fault: name, ...onMain, readable: true }, async () => {
          for (let round = 0; round < 6; round++) {
            let done = false;
            const once = (piece: Buffer) => {
              if (done) return piece;
              done = true;
              return edit(piece);
            };
            await stage.proxy.set({ kind: "edit", edit: once });
            await pause(500);
          }
          await stage.proxy.set({ kind: "pass" });
        }),
      );
    });
  }

  test("answers that are cut off at any byte (row 41)", async (t) => {
    const { seed, random } = seedOf();
    t.diagnostic(`seed ${seed}`);
    await whileBusy({}, (stage) =>
      stage.fault({ fault: "truncated", ...onMain, readable: true }, async () => {
        for (let round = 0; round < 8; round++) {
          await stage.proxy.set({ kind: "truncate", bytes: Math.floor(random() * 2000) });
          await pause(400);
        }
        await stage.proxy.set({ kind: "pass" });
      }),
    );
  });
});
