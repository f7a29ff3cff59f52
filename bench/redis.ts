import { createClient } from "@redis/client";
import { startRedisServer } from "../src/services/redis-server.ts";

/** A Redis for one bench, with a client to set it up and to ask what things cost there. */
export interface BenchRedis extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  send(...words: readonly (string | number)[]): Promise<unknown>;
  /** Sends many at once. */
  all(commands: readonly (readonly (string | number)[])[]): Promise<void>;
  info(section: string): Promise<Readonly<Record<string, string>>>;
}

export async function startRedis(): Promise<BenchRedis> {
  const server = await startRedisServer({ env: process.env, onProgress: (line) => console.error(line) });
  const client = createClient({ url: server.url, name: "bench" });
  client.on("error", () => {}); // it ends with its server
  await client.connect();
  const send = (...words: readonly (string | number)[]) => client.sendCommand(words.map(String));
  return {
    url: server.url,
    port: server.port,
    send,
    async all(commands) {
      for (let from = 0; from < commands.length; from += 1000) {
        await Promise.all(commands.slice(from, from + 1000).map((words) => send(...words)));
      }
    },
    async info(section) {
      const text = String(await send("INFO", section));
      return Object.fromEntries(
        text.split("\r\n").flatMap((line) => {
          const at = line.indexOf(":");
          return at > 0 ? [[line.slice(0, at), line.slice(at + 1)]] : [];
        }),
      );
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      await server.stop();
    },
  };
}
