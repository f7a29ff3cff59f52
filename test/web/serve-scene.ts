import { createMetrics } from "../../src/telemetry/metrics.ts";
import { createRecord } from "../../src/telemetry/record.ts";
import { listen } from "../../src/web/listen.ts";
import { loadPage } from "../../src/web/page.ts";
import { createWeb } from "../../src/web/web.ts";
import { createScene } from "./scene.ts";

/** The real page over made figures, on a free port. */
export async function serveScene(options: Readonly<{ port?: number; basePath?: string }> = {}) {
  const { scene, mails } = createScene(Date.now());
  const stop = new AbortController();
  const faults: unknown[] = [];
  const state = () => ({ workers: scene.source.workers(), connections: scene.source.connections() });
  const web = createWeb({
    snapshot: scene.source,
    events: scene.events,
    record: createRecord({ clock: () => performance.now(), wallClock: Date.now }),
    metrics: createMetrics({ source: state, version: "test", processMetrics: false }),
    page: await loadPage(),
    basePath: options.basePath ?? "",
    failed: (_doing, cause) => faults.push(cause),
    live: { gatherMs: 20, beatMs: 500 },
  });
  const server = await listen(web.fetch, { port: options.port ?? 0 }, stop.signal);
  return {
    scene,
    mails,
    faults,
    web,
    url: `${server.url}${options.basePath ?? ""}/`,
    port: server.port,
    async [Symbol.asyncDispose]() {
      web[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
