import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { freePort } from "../../src/services/free-port.ts";
import { type House, openHouse } from "../cli/house.ts";
import { findGrpcPython } from "../support/grpc-python.ts";
import { waitFor } from "../support/wait.ts";

const root = join(import.meta.dirname, "../..");
const example = join(root, "examples/external-python");
const found = await findGrpcPython();
const skip = "missing" in found && found.missing;

describe("the example of an external scaler in Python, by KEDA's contract", { skip, timeout: 300_000 }, () => {
  const { python } = found as { python: string };
  let house: House;
  let port = 0;
  const scalers: ChildProcess[] = [];
  before(async () => {
    house = await openHouse();
    port = await freePort();
  });
  after(async () => {
    await house[Symbol.asyncDispose]();
    for (const scaler of scalers) scaler.kill("SIGKILL");
  });

  const startScaler = async () => {
    const scaler = spawn(python, [join(example, "scaler.py"), `127.0.0.1:${port}`], {
      env: { ...process.env, PYTHONPATH: join(root, "src/brokers/protos") },
      stdio: ["ignore", "pipe", "inherit"],
    });
    scalers.push(scaler);
    await once(scaler.stdout, "data");
    return scaler;
  };

  it("wakes workers from none, ends them when no job is left, is found again after it was away, and its error is no zero", async () => {
    const name = house.nameOf("folder-workers");
    house.owns(name);
    const folder = join(house.folder, "jobs");
    await mkdir(folder);
    const text = (await readFile(join(example, "worktide.yaml"), "utf8"))
      .replace("127.0.0.1:9090", `127.0.0.1:${port}`)
      .replace("name: folder-workers", `name: ${name}`)
      .replace("[python3, worker.py, jobs]", JSON.stringify([python, join(example, "worker.py"), folder]))
      .replace("{ folder: jobs }", JSON.stringify({ folder }))
      .replace("cooldown: 10s }", "cooldown: 0s }\n  behavior: { scaleDown: { stabilizationWindowSeconds: 0 } }");
    await house.write(text);
    const ended = async (suffix: string) => (await readdir(folder)).filter((file) => file.endsWith(suffix)).length;
    const put = async (job: string) => writeFile(join(folder, `${job}.job`), "");
    const scaler = await startScaler();
    const life = await house.run([], { SECONDS_EACH: "0.5" });
    const trigger = async () => (await house.snapshot(life, name)).triggers[0];
    await waitFor("a folder without jobs is known", async () => (await trigger())?.waiting === 0);
    assert.deepEqual(house.alive(name), []);

    for (let job = 0; job < 6; job++) await put(`mail-${job}`);
    await house.size(name, 3);
    await waitFor("all of them", async () => (await ended(".done")) === 6);
    await house.size(name, 0);

    scaler.kill("SIGKILL");
    await waitFor("that it is away", async () => (await trigger())?.problem?.kind === "unreachable");
    await put("late");
    await startScaler();
    await waitFor("it is done after the scaler came back", async () => (await ended(".done")) === 7);
    await house.size(name, 0);

    await rename(folder, `${folder}-gone`);
    await waitFor("that the folder is missing is no empty folder", async () => (await trigger())?.problem !== undefined);
    assert.match((await trigger())?.problem?.message ?? "", /there is no folder/);
  });
});
