// A test that never ends, for test/run-script.test.ts to interrupt. It says who is there: a service in a process group of its own, and a
// program with a child.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { startRedis } from "./redis.ts";

test("never ends", async () => {
  const { pid } = await startRedis();
  const child = spawn("sh", ["-c", "sleep 1000 & echo $!; wait"], { stdio: ["ignore", "pipe", "inherit"] });
  const [text] = await once(child.stdout, "data");
  console.log(`there: ${process.pid} ${pid} ${child.pid} ${text}`);
  await new Promise(() => setInterval(() => {}, 1000));
});
