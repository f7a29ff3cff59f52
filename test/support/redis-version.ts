import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { findRedis } from "../../src/services/find-redis.ts";

/** Why a test cannot run on the server that was found, or false: the Python wheel carries Redis 6.2, without TLS. */
export const needsRedis7: string | false = await reason();

async function reason(): Promise<string | false> {
  const program = await findRedis({ env: process.env });
  const [file, ...args] = program.command(0, ["--version"]);
  const { stdout } = await promisify(execFile)(file, args);
  const major = Number(/ v=(\d+)/.exec(stdout)?.[1]);
  return major >= 7 ? false : `needs Redis 7, and ${program.title} is ${major}`;
}
