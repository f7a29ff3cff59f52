import { mkdir } from "node:fs/promises";
import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { heldDuring, whileBusy } from "../faults/support/scenario.ts";
import type { Stage } from "../faults/support/stage.ts";
import { startRedis } from "../support/redis.ts";
import { waitFor } from "../support/wait.ts";

const onMain = { connection: "main" } as const;
const config = (stage: Stage, name: string, value: string) => stage.admin.sendCommand(["CONFIG", "SET", name, value]);
const killOurs = (stage: Stage) => stage.admin.sendCommand(["CLIENT", "KILL", "USER", "worktide"]);

suite("Redis is there, and refuses", { concurrency: 3 }, () => {
  test("loading its data: not known, and known again when it has (row 44)", async () => {
    const redisArgs = ["--appendonly", "yes", "--appendfsync", "always"];
    const verdict = await whileBusy({ redisArgs, maybeHeld: true }, (stage) =>
      stage.fault({ fault: "LOADING", ...onMain }, async () => {
        await stage.admin.sendCommand(["DEBUG", "POPULATE", "1000", "filler"]);
        await stage.admin.sendCommand(["BGREWRITEAOF"]);
        await waitFor("what fills it to be on disk", async () => {
          const about = await stage.admin.info("persistence");
          return about.includes("aof_rewrite_in_progress:0") && about.includes("aof_rewrite_scheduled:0");
        });
        await stage.redis.restart({
          upWhen: "loading",
          args: [...redisArgs, "--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024", ...loginOf(stage)],
        });
        await stage.sees("mails", "loading");
        await stage.sees("mails", undefined);
      }),
    );
    heldDuring(verdict, "LOADING");
  });

  test("out of memory: writes fail, reads go on (row 44)", async () => {
    await whileBusy({}, (stage) =>
      stage.fault({ fault: "OOM", ...onMain, readable: true }, async () => {
        await config(stage, "maxmemory", "1");
        await pause(3000);
        await stage.sees("mails", undefined);
        await config(stage, "maxmemory", "0");
      }),
    );
  });

  test("a snapshot that failed: writes and pings fail, reads go on (row 44)", async () => {
    await whileBusy({}, (stage) =>
      stage.fault({ fault: "MISCONF", ...onMain, readable: true }, async () => {
        await config(stage, "save", "3600 1");
        await config(stage, "dbfilename", "no.rdb");
        await makeSnapshotsFail(stage);
        await pause(3000);
        await stage.sees("mails", undefined);
        await config(stage, "stop-writes-on-bgsave-error", "no");
      }),
    );
  });

  test("a password that was changed: named, held, and no storm of logins (row 16)", async () => {
    // A wrong password is tried every half minute: more often would lock accounts out.
    const patient = { maybeHeld: true, constants: { backoffCapMs: 35_000 } };
    const verdict = await whileBusy(patient, (stage) =>
      stage.fault({ fault: "password", ...onMain, outage: true }, async () => {
        await stage.admin.sendCommand(["ACL", "SETUSER", "worktide", "resetpass", ">another"]);
        await killOurs(stage);
        await stage.sees("mails", "auth");
        await pause(3000);
        await stage.admin.sendCommand(["ACL", "SETUSER", "worktide", "resetpass", `>${stage.password}`]);
      }),
    );
    heldDuring(verdict, "password");
  });

  test("a right that was taken away is not an empty queue (row 16)", async () => {
    const verdict = await whileBusy({}, (stage) =>
      stage.fault({ fault: "ACL", ...onMain }, async () => {
        await stage.admin.sendCommand(["ACL", "SETUSER", "worktide", "-@all", "+ping", "+hello", "+client", "+echo", "+info"]);
        await stage.sees("mails", "auth");
        await pause(2000);
        await stage.admin.sendCommand(["ACL", "SETUSER", "worktide", "+@all"]);
      }),
    );
    heldDuring(verdict, "ACL");
  });

  test("too many clients: held without pressing, and back when there is room", async () => {
    const verdict = await whileBusy({ maybeHeld: true }, (stage) =>
      stage.fault({ fault: "maxclients", ...onMain, outage: true }, async () => {
        await config(stage, "maxclients", "1");
        await killOurs(stage);
        await stage.sees("mails", "limit");
        await pause(3000);
        await config(stage, "maxclients", "1000");
      }),
    );
    heldDuring(verdict, "maxclients");
  });

  test("a replica whose primary is gone does not answer, and that is not zero (rows 44, 45)", async () => {
    await using other = await startRedis();
    const verdict = await whileBusy({ maybeHeld: true }, (stage) =>
      stage.fault({ fault: "MASTERDOWN", ...onMain }, async () => {
        await config(stage, "replica-serve-stale-data", "no");
        await other.kill9();
        await stage.admin.sendCommand(["REPLICAOF", "127.0.0.1", String(other.port)]);
        await waitFor("the trigger to be unknown", async () => (await stage.trigger("mails"))?.problem !== undefined);
        await pause(2500);
        await stage.admin.sendCommand(["REPLICAOF", "NO", "ONE"]);
      }),
    );
    heldDuring(verdict, "MASTERDOWN");
  });
});

const loginOf = (stage: Stage) => ["--user", "worktide", "on", `>${stage.password}`, "~*", "&*", "+@all"];

/** Its file name is a directory: what BGSAVE needs to fail, and nothing else. */
async function makeSnapshotsFail(stage: Stage): Promise<void> {
  const { dir } = await stage.admin.configGet("dir");
  await mkdir(`${dir}/no.rdb`, { recursive: true });
  await stage.admin.sendCommand(["BGSAVE"]).catch(() => {});
}
