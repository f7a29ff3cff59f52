import type { Subscribe } from "../control/worker-snapshot.ts";
import { type LiveSource, liveMessages } from "./live-messages.ts";

/** The stream of what happens, for any number of viewers at the price of one. */
export interface Live extends Disposable {
  /** A body of server-sent events: all there is, then what changes. Undefined when there are too many viewers. */
  open(): ReadableStream<Uint8Array> | undefined;
  viewers(): number;
}

export type LiveOptions = LiveSource &
  Readonly<{
    subscribe: Subscribe;
    /** Changes within this time go out together, ms. Default 250. */
    gatherMs?: number;
    /** So often a sign of life goes out, ms. Default 5,000. */
    beatMs?: number;
    /** A viewer that lags by more bytes than this behind the newest is dropped; it comes back by itself. Default 1 MiB. */
    lagBytes?: number;
    /** Default 64. */
    mostViewers?: number;
  }>;

type Viewer = ReadableStreamDefaultController<Uint8Array>;

/** How long a browser waits before it reconnects, ms. */
const retryMs = 1_000;

/**
 * Messages are `snapshot` (at the beginning), `worker`, `gone` and `beat`; see live-messages.ts. Each is written once and
 * the same bytes go to all. The sign of life is an event and not a comment, since a page cannot see comments, and must
 * know when a connection that looks open is dead. While nobody looks, nothing is subscribed to and no timer runs.
 */
export function createLive(options: LiveOptions): Live {
  const { subscribe, gatherMs = 250, beatMs = 5_000, lagBytes = 1024 * 1024, mostViewers = 64 } = options;
  const messages = liveMessages(options);
  const viewers = new Set<Viewer>();
  const encoder = new TextEncoder();
  let stopWatching: (() => void) | undefined;
  let gathering: NodeJS.Timeout | undefined;
  /** How long the last turn of writing took, ms: the pause is at least four times that, so that many workers cost no more. */
  let tookMs = 0;

  function drop(viewer: Viewer): void {
    viewers.delete(viewer);
    try {
      viewer.close();
    } catch {
      // It was closed by its own end.
    }
    if (viewers.size === 0) rest();
  }

  function send(text: string): void {
    if (text === "") return;
    const bytes = encoder.encode(text);
    for (const viewer of viewers) {
      if ((viewer.desiredSize ?? 0) <= 0) drop(viewer);
      else viewer.enqueue(bytes);
    }
  }

  function flush(): void {
    gathering = undefined;
    const began = performance.now();
    send(messages.changes());
    tookMs = performance.now() - began;
  }

  function watch(): void {
    messages.reset();
    const unsubscribe = subscribe((hint) => {
      messages.note(hint);
      gathering ??= setTimeout(flush, Math.max(gatherMs, 4 * tookMs));
    });
    const beat = setInterval(() => send(messages.beat()), beatMs);
    beat.unref();
    stopWatching = () => {
      unsubscribe();
      clearInterval(beat);
    };
  }

  function rest(): void {
    stopWatching?.();
    stopWatching = undefined;
    clearTimeout(gathering);
    gathering = undefined;
  }

  return {
    open() {
      if (viewers.size >= mostViewers) return undefined;
      if (viewers.size === 0) watch();
      const first = encoder.encode(`retry: ${retryMs}\n\n${messages.snapshot()}`);
      let self: Viewer;
      return new ReadableStream<Uint8Array>(
        {
          start(controller) {
            self = controller;
            viewers.add(controller);
            controller.enqueue(first);
          },
          cancel() {
            viewers.delete(self);
            if (viewers.size === 0) rest();
          },
        },
        { highWaterMark: first.byteLength + lagBytes, size: (chunk) => chunk.byteLength },
      );
    },
    viewers: () => viewers.size,
    [Symbol.dispose]() {
      for (const viewer of [...viewers]) drop(viewer);
      rest();
    },
  };
}
