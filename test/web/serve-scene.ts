import { createMetrics } from "../../src/telemetry/metrics.ts";
import { createRecord } from "../../src/telemetry/record.ts";
import { listen } from "../../src/web/listen.ts";
import { loadPage } from "../../src/web/page.ts";
import { createWeb } from "../../src/web/web.ts";
import { createScene } from "./scene.ts";

export type SceneOptions = Readonly<{
  port?: number;
  basePath?: string;
  /** The moment at which all figures stand still; absent: time passes. */
  now?: number;
}>;

/** The real page over made figures, on a free port. */
export async function serveScene({ port = 0, basePath = "", now }: SceneOptions = {}) {
  const wallClock = () => now ?? Date.now();
  const { scene, mails } = createScene(wallClock());
  const stop = new AbortController();
  const faults: unknown[] = [];
  const state = () => ({ workers: scene.source.workers(), connections: scene.source.connections() });
  const web = createWeb({
    snapshot: scene.source,
    events: scene.events,
    record: createRecord({ clock: () => performance.now(), wallClock }),
    metrics: createMetrics({ source: state, version: "test", processMetrics: false }),
    page: await loadPage(),
    basePath,
    wallClock,
    failed: (_doing, cause) => faults.push(cause),
    live: { gatherMs: 20, beatMs: 500 },
  });
  const server = await listen(web.fetch, { port }, stop.signal);
  return {
    scene,
    mails,
    faults,
    web,
    url: `${server.url}${basePath}/`,
    port: server.port,
    async [Symbol.asyncDispose]() {
      web[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
