import type { CallRecord } from "./caller.ts";
import { failureOf, lossOf } from "./failure.ts";
import { createJsonLines } from "./json-lines.ts";
import { isKubeError, type Kube, KubeError, type KubeObject, type WatchFrame, type WatchFrom } from "./kube.ts";
import type { Links } from "./links.ts";
import { collectionPath, queryOf, titleOfAll } from "./paths.ts";

/** Bookmarks come every minute: whoever says nothing for so long is gone. */
const silentMs = 90_000;
const headersTimeoutMs = 5_000;
/** The server ends a stream after a time of our choice, spread out so that not all of them begin anew together. */
const streamSeconds = () => Math.round(300 + Math.random() * 240);

/** `Kube.watch` over sockets of its own, and the pulse that tells whether these are alive. */
export function createWatches(links: Links, clock: () => number, onCall: (record: CallRecord) => void): Kube["watch"] {
  const beat = createPulse(links);
  return async (from, onFrame) => {
    const endBeat = beat();
    const sentAt = clock();
    let told = false;
    const tell = (status: number) => {
      if (told) return;
      told = true;
      onCall({ verb: "watch", kind: from.kind.kind, method: "GET", lane: "read", status, ms: clock() - sentAt });
    };
    const onOpen = () => {
      tell(200);
      from.onOpen?.();
    };
    try {
      await stream(links, { ...from, onOpen }, onFrame as (frame: WatchFrame<KubeObject>) => void);
    } catch (error) {
      if (!from.signal.aborted) tell(isKubeError(error) ? error.status : 0);
      throw lossOf(error, { doing: `watching ${titleOfAll(from)}`, write: false }, from.signal.aborted ? "aborted" : "lost");
    } finally {
      endBeat();
    }
  };
}

async function stream(links: Links, from: WatchFrom, onFrame: (frame: WatchFrame<KubeObject>) => void): Promise<void> {
  const { kind, namespace, resourceVersion, labelSelector, fieldSelector, signal, onOpen = () => {} } = from;
  const query = {
    watch: true,
    allowWatchBookmarks: true,
    timeoutSeconds: streamSeconds(),
    resourceVersion,
    labelSelector,
    fieldSelector,
  };
  const path = `${collectionPath(kind, namespace)}${queryOf(query)}`;
  const doing = `watching ${titleOfAll(from)}`;
  const onData = createJsonLines((frame) => onFrame(goodFrame(frame as Frame, doing)));
  const answer = await links.send("watches", { ...get, path, bodyTimeoutMs: silentMs, onOpen, onData }, signal);
  if (answer.status < 300) return;
  if (answer.status === 401) links.forget();
  throw failureOf(answer, { doing, write: false });
}

const get = { method: "GET", headers: {}, headersTimeoutMs } as const;

type Frame =
  | WatchFrame<KubeObject>
  | Readonly<{ type: "ERROR"; object: Readonly<{ code?: number; reason?: string; message?: string }> }>;

function goodFrame(frame: Frame, doing: string): WatchFrame<KubeObject> {
  if (frame.type === "ERROR") {
    const { code = 500, reason = "InternalError", message = "the stream failed" } = frame.object;
    throw new KubeError({ status: code, reason, message: `${doing}: ${message}`, outcome: "refused" });
  }
  const known = ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"].includes(frame.type);
  if (known && typeof frame.object?.metadata?.resourceVersion === "string") return frame;
  const message = `${doing}: a frame that is none came`;
  throw new KubeError({ status: 0, reason: "ConnectionLost", message, outcome: "refused" });
}

/** How often a quiet session is asked whether it is there. */
const pulseMs = 15_000;

/**
 * While streams are open, asks for the version now and then over the same sockets: a session that has died silently is
 * found by undici when this times out, and all its streams fail at once, in 25 s instead of {@link silentMs}.
 */
function createPulse(links: Links): () => () => void {
  let streams = 0;
  let timer: NodeJS.Timeout | undefined;
  const ask = async () => {
    await links.send("watches", { ...get, path: "/version", bodyTimeoutMs: headersTimeoutMs }, new AbortController().signal);
  };
  return () => {
    streams += 1;
    timer ??= setInterval(() => void ask().catch(() => {}), pulseMs).unref(); // the streams tell
    return () => {
      streams -= 1;
      if (streams > 0) return;
      clearInterval(timer);
      timer = undefined;
    };
  };
}
