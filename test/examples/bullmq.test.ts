import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { type House, openHouse } from "../cli/house.ts";
import { waitFor } from "../support/wait.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");
const example = join(root, "examples", "bullmq");
const waitMs = 240_000;

describe("the example of BullMQ", { timeout: 600_000 }, () => {
  let house: House;
  before(async () => {
    house = await openHouse();
  });
  after(() => house[Symbol.asyncDispose]());

  it("grows real workers from none with the mails, sends each mail once, waits with a paused queue, and ends the workers", async () => {
    const name = house.nameOf("bullmq-mails");
    house.owns(name);
    await cp(example, house.folder, { recursive: true });
    await symlink(join(root, "node_modules"), join(house.folder, "node_modules"));
    const document = (await readFile(join(example, "worktide.yaml"), "utf8"))
      .replace("name: bullmq-mails", `name: ${name}`)
      .replace("command: [node, ", `command: ["${process.execPath}", `)
      .replace("cooldown: 5s", "cooldown: 0s") // what a test need not wait for
      .replace("stabilizationWindowSeconds: 5", "stabilizationWindowSeconds: 0");
    await house.write(document);
    const outbox = join(house.folder, "outbox");
    const env = { REDIS_URL: house.redis.url, SHOP_OUTBOX: outbox };
    const send = (...words: readonly string[]) =>
      run(process.execPath, ["send-mails.js", ...words], { cwd: house.folder, env: { ...process.env, ...env } });
    const sent = async () => (await readFile(outbox, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
    const all = (count: number) => waitFor(`${count} mails`, async () => (await sent()).length === count, waitMs);

    const life = await house.run([], env);
    assert.deepEqual(house.alive(name), []);
    await send("11", "--seconds", "1");
    await send("1", "--seconds", "0.1", "--failures", "2");
    let most = 0;
    await waitFor(
      "all mails",
      async () => {
        most = Math.max(most, house.alive(name).length);
        return (await sent()).length === 12;
      },
      waitMs,
    );
    assert.equal(most, 4, "twelve mails want more than there may be");
    await house.size(name, 0, waitMs);
    const mails = await sent();
    assert.equal(mails.length, 12, "none was sent twice, and the one that failed at first neither");
    assert.equal(new Set(mails.map((line) => line.split(" ")[0])).size, 12);
    assert.ok(
      mails.every((line) => line.includes(` ${name}-`)),
      "each by a worker that has the name of its process",
    );

    await send("1", "--seconds", "0.1", "--delay", "1");
    await all(13); // only a worker could put it among those that wait: one was started for it

    await house.size(name, 0, waitMs);
    await send("4", "--seconds", "0.1", "--pause");
    await waitFor(
      "the pause to be seen",
      async () => {
        const [trigger] = (await house.snapshot(life, name)).triggers;
        return trigger?.waiting === 4 && trigger.ceiling === 0;
      },
      waitMs,
    );
    assert.deepEqual(house.alive(name), [], "nobody is started for what nobody may take");
    await send("--resume");
    await all(17);
    await house.size(name, 0, waitMs); // a mail is sent a moment before its job has ended

    const guide = await readFile(join(root, "docs", "guides", "bullmq.md"), "utf8");
    const [, acl = ""] = /^(ACL SETUSER .*)$/m.exec(guide) ?? [];
    await house.client.sendCommand(acl.replace(">PASSWORD", ">secret").split(" "));
    const url = house.redis.url.replace("//", "//worktide:secret@");
    const checked = await house.ask(["check", "-f", house.file, "--connect"], { REDIS_URL: url });
    assert.equal(checked.code, 0, checked.stdout);
    assert.match(checked.stdout, /✔ .*, mails: empty$/m, "the user of the guide may read all that it needs");

    life.signal("SIGTERM");
    assert.equal(await life.exited, 0);
    assert.equal((await sent()).length, 17);
  });
});
