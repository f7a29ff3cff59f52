import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { type House, openHouse } from "../cli/house.ts";
import { findDjango } from "../support/django.ts";
import { skipWithoutRabbit, startRabbit, type TestRabbit } from "../support/rabbitmq.ts";
import { waitFor } from "../support/wait.ts";

const run = promisify(execFile);
const example = join(import.meta.dirname, "..", "..", "examples", "django-celery-rabbitmq");
const django = await findDjango();
const skip = "missing" in django ? django.missing : await skipWithoutRabbit();

describe("the example of Django with Celery on RabbitMQ", { skip, timeout: 600_000 }, () => {
  let house: House;
  let rabbit: TestRabbit;
  before(async () => {
    house = await openHouse();
    rabbit = await startRabbit();
  });
  after(async () => {
    await house[Symbol.asyncDispose]();
    await rabbit.stop();
  });

  it("grows real workers from none with the mails, sends each mail once, and ends the workers", async () => {
    assert.ok("env" in django);
    const name = house.nameOf("django-mails");
    house.owns(name);
    await cp(example, house.folder, { recursive: true });
    const document = (await readFile(join(example, "worktide.yaml"), "utf8"))
      .replace("name: django-mails", `name: ${name}`)
      .replace("http://127.0.0.1:15672", rabbit.managementUrl);
    await house.write(document);
    const outbox = join(house.folder, "outbox");
    const env = {
      ...django.env,
      RABBITMQ_URL: `${rabbit.url.replace("//", "//guest:guest@")}//`,
      SHOP_OUTBOX: outbox,
      PYTHONDONTWRITEBYTECODE: "1",
      C_FORCE_ROOT: "1",
    };
    const send = (count: number, seconds: number) =>
      run(django.python, ["manage.py", "send_mails", String(count), "--seconds", String(seconds)], {
        cwd: house.folder,
        env: { ...process.env, ...env },
      });
    const sent = async () => (await readFile(outbox, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");

    const life = await house.run([], env);
    assert.deepEqual(house.alive(name), [], "a queue that is not there yet starts nothing");
    await send(12, 3);
    let most = 0;
    await waitFor(
      "all mails",
      async () => {
        most = Math.max(most, house.alive(name).length);
        return (await sent()).length === 12;
      },
      240_000,
    );
    assert.equal(most, 4, "twelve mails want more than there may be");
    await house.size(name, 0, 240_000);
    const mails = await sent();
    assert.equal(new Set(mails.map((line) => line.split(" ")[0])).size, 12);
    assert.equal(mails.length, 12, "none was sent twice");
    assert.ok(
      mails.every((line) => line.includes(`${name}-`)),
      "each by a worker that has the name of its process",
    );

    await send(1, 1);
    await waitFor("one more, from none again", async () => (await sent()).length === 13, 240_000);
    life.signal("SIGTERM");
    assert.equal(await life.exited, 0);
    assert.equal((await sent()).length, 13);
  });
});
