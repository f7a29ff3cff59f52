import { createHash } from "node:crypto";
import { isKubeError, isOlder, type Kind, type Kube, type KubeError, keyOf } from "./kube.ts";
import { jitterMs } from "./wait.ts";

/** Whose status it is. */
export type StatusOf = Readonly<{ namespace?: string; name: string; uid: string }>;

/** What a watch shows of it. */
export type ObservedStatus = Readonly<{ resourceVersion: string; fingerprint: string }>;

export type StatusOptions = Readonly<{
  /** With the fence of the leader. */
  kube: Kube;
  kind: Kind;
  /** The status that is there, from the watch: where it says what is wanted, nothing is written. */
  observed: (key: string) => ObservedStatus | undefined;
  /** What of a status tells something: without times that pass by themselves. Default: all of it. */
  meaning?: (status: object) => unknown;
  /** One object is written at most so often, ms; what changes in between is written as one. Default 1,000. */
  everyMs?: number;
  clock?: () => number;
  onProblem?: (error: unknown) => void;
}>;

/** Writes status, only when it says something new, the latest only. Never waits. */
export interface StatusWriter extends Disposable {
  write(of: StatusOf, status: object): void;
  /** The watch has shown something new of the object: what it says is kept there, and no more here. */
  seen(uid: string): void;
  /** The status that was given last, until the watch shows it. */
  wanted(uid: string): object | undefined;
  /** The object is gone. */
  forget(uid: string): void;
  /** How many wait to be written. */
  pending(): number;
  /** Of a status, to be kept by the watch and given to `observed`. */
  fingerprint(status: object | undefined): string;
}

type Entry = {
  readonly of: StatusOf;
  /** Until the watch shows it. */
  wanted?: object | undefined;
  /** Fingerprint of what was written last, and the version that this made. */
  written?: ObservedStatus;
  /** The server will not take this one, however often. */
  rejected?: string;
  failures: number;
  notBefore: number;
  busy: boolean;
  timer?: NodeJS.Timeout;
};

const atOnce = 8;
const backoffBaseMs = 1_000;
const backoffCapMs = 60_000;

export function createStatusWriter(options: StatusOptions): StatusWriter {
  const { kube, kind, observed, meaning = (status) => status, everyMs = 1_000 } = options;
  const { clock = () => performance.now(), onProblem = () => {} } = options;
  const entries = new Map<string, Entry>();
  const ready = new Map<Entry, object>();
  let writing = 0;
  let ended = false;

  const fingerprint = (status: object | undefined) =>
    createHash("sha1")
      .update(canonical(status === undefined ? undefined : meaning(status)))
      .digest("base64");

  /** The later of what we wrote and what the watch shows. */
  function newest({ of, written }: Entry): ObservedStatus | undefined {
    const shown = observed(keyOf(of));
    return shown && written && isOlder(shown.resourceVersion, written.resourceVersion) ? written : (shown ?? written);
  }

  function consider(entry: Entry): void {
    if (ended || entry.busy || entry.wanted === undefined || entries.get(entry.of.uid) !== entry) return;
    const wanted = fingerprint(entry.wanted);
    clearTimeout(entry.timer);
    ready.delete(entry);
    const there = newest(entry);
    if (wanted === there?.fingerprint) {
      if (there !== entry.written) entry.wanted = undefined;
      return;
    }
    if (wanted === entry.rejected) return;
    const waitMs = entry.notBefore - clock();
    if (waitMs > 0) {
      entry.timer = setTimeout(() => consider(entry), waitMs + 1).unref();
      return;
    }
    ready.set(entry, entry.wanted);
    advance();
  }

  function advance(): void {
    for (const [entry, wanted] of ready) {
      if (writing >= atOnce) return;
      ready.delete(entry);
      writing += 1;
      entry.busy = true;
      void put(entry, wanted).finally(() => {
        writing -= 1;
        entry.busy = false;
        consider(entry);
        advance();
      });
    }
  }

  /**
   * Replaced without a version, so that it conflicts with nobody, and only where the uid is the one that was meant: a
   * server-side apply to `/status` of a custom resource does not look at the uid (seen, 1.36).
   */
  async function put(entry: Entry, wanted: object): Promise<void> {
    const { of } = entry;
    const steps = [
      { op: "test", path: "/metadata/uid", value: of.uid },
      { op: "add", path: "/status", value: wanted },
    ] as const;
    entry.notBefore = clock() + everyMs;
    try {
      const done = await kube.patch({ kind, ...of }, { type: "json", body: steps }, { subresource: "status", lane: "status" });
      entry.written = { resourceVersion: done.metadata.resourceVersion, fingerprint: fingerprint(wanted) };
      entry.failures = 0;
    } catch (error) {
      if (!isKubeError(error)) throw error;
      const gone = error.status === 404 || (error.status === 422 && !(await isThere(of)));
      fail(entry, error, gone, fingerprint(wanted));
    }
  }

  /** The server calls both invalid: another uid, and a status that its schema refuses. */
  async function isThere(of: StatusOf): Promise<boolean> {
    try {
      return (await kube.get({ kind, ...of }, { lane: "status" })).metadata.uid === of.uid;
    } catch (error) {
      return !isKubeError(error, "NotFound");
    }
  }

  function fail(entry: Entry, error: KubeError, gone: boolean, tried: string): void {
    if (gone || error.reason === "NotLeader") {
      entries.delete(entry.of.uid); // the next leader writes it
      return;
    }
    onProblem(error);
    if (error.status === 400 || error.status === 422) entry.rejected = tried;
    entry.failures += 1;
    entry.notBefore = clock() + Math.max(error.retryAfterMs ?? 0, jitterMs(entry.failures, backoffBaseMs, backoffCapMs));
  }

  function forget(uid: string): void {
    const entry = entries.get(uid);
    if (!entry) return;
    clearTimeout(entry.timer);
    ready.delete(entry);
    entries.delete(uid);
  }

  return {
    write(of, status) {
      const entry = entries.get(of.uid) ?? { of, wanted: status, failures: 0, notBefore: 0, busy: false };
      entry.wanted = status;
      entries.set(of.uid, entry);
      consider(entry);
    },
    seen(uid) {
      const entry = entries.get(uid);
      if (entry) consider(entry);
    },
    wanted: (uid) => entries.get(uid)?.wanted,
    forget,
    pending: () => ready.size + writing,
    fingerprint,
    [Symbol.dispose]() {
      ended = true;
      for (const uid of [...entries.keys()]) forget(uid);
    },
  };
}

/** JSON with keys in order, so that equal values give equal text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const pairs = Object.entries(value).filter(([, inner]) => inner !== undefined);
  pairs.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${pairs.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join()}}`;
}
