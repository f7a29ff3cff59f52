import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listening } from "./listening.ts";
import { type Prometheus, startPrometheus } from "./prometheus.ts";
import { waitFor } from "./wait.ts";

/** The password of user `worktide`, where one is asked for. */
export const scrapedPassword = "geheim";
// By bcrypt, with as few rounds as there may be: each request pays for them.
const hash = "$2b$04$abcdefghijklmnopqrstuuPWRtT5yx7FBi4dcf6ROhboeNunUrLQ.";

/** A Prometheus, and an exporter in the test's own process that it scrapes. */
export interface Scraped extends AsyncDisposable {
  readonly prometheus: Prometheus;
  /**
   * Sets a series, as it would stand on the page: `jobs{queue="a"}`; null takes it away. Resolves once Prometheus has scraped it.
   * `takenAt`: the exporter says that it took it then, ms since 1970.
   */
  set(series: string, value: number | null, takenAt?: number): Promise<void>;
  /** What it was set to. */
  get(series: string): number;
  /** Whether the exporter answers. */
  up(on: boolean): void;
}

type Options = Readonly<{
  everyMs?: number;
  login?: boolean;
  /**
   * Series end with a scrape that fails. Without it each sample carries its time, and Prometheus keeps it for 5 min: a scrape
   * that came too late since the machine was busy ends nothing.
   */
  fleeting?: boolean;
  /** More lines for its web configuration: TLS. */
  web?: readonly string[];
}>;

export async function startScraped({ everyMs = 100, login = false, fleeting = false, web = [] }: Options = {}): Promise<Scraped> {
  const dir = await mkdtemp(join(tmpdir(), "worktide-scraped-"));
  const values = new Map<string, number>();
  const times = new Map<string, number>();
  let answers = true;
  const exporter = createServer((_, response) => {
    if (!answers) return void response.writeHead(500).end();
    const now = fleeting ? "" : Date.now();
    const lines = [...values].map(([series, value]) => `${series} ${value} ${times.get(series) ?? now}\n`);
    response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end(lines.join(""));
  });
  const target = `127.0.0.1:${((await listening(exporter)).address() as AddressInfo).port}`;
  const scrape = `{ job_name: test, scrape_interval: ${everyMs}ms, scrape_timeout: ${everyMs}ms, static_configs: [{ targets: ["${target}"] }] }`;
  await writeFile(join(dir, "prometheus.yml"), `scrape_configs: [${scrape}]\n`);
  const users = login ? [`basic_auth_users: { worktide: "${hash}" }`] : [];
  await writeFile(join(dir, "web.yml"), `${[...users, ...web].join("\n")}\n`);
  const prometheus = await startPrometheus(dir, join(dir, "prometheus.yml"), {
    flags: [`--web.config.file=${join(dir, "web.yml")}`],
    headers: login ? { authorization: `Basic ${btoa(`worktide:${scrapedPassword}`)}` } : {},
  });
  return {
    prometheus,
    async set(series, value, takenAt) {
      if (takenAt !== undefined) times.set(series, takenAt);
      if (value === null) values.delete(series);
      else values.set(series, value);
      await waitFor(`Prometheus to scrape ${series}`, async () => {
        const [found] = await prometheus.query(series);
        return value === null ? found === undefined : found !== undefined && Object.is(Number(found.value[1]), value);
      });
    },
    get: (series) => values.get(series) ?? 0,
    up: (on) => (answers = on),
    async [Symbol.asyncDispose]() {
      await prometheus[Symbol.asyncDispose]();
      exporter.closeAllConnections();
      exporter.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
