import { digestOf } from "../api/digest.ts";
import { type Bounded, bounded } from "./bounded.ts";

export type SettingsWatchOptions = Readonly<{
  read(signal: AbortSignal): Promise<unknown>;
  /** How long one look may take, ms. */
  deadlineMs: number;
  clock: () => number;
  /** How often to look now, ms; undefined: not at all. */
  everyMs(): number | undefined;
  /** A dial is under way, which reads the settings itself. */
  isDialling(): boolean;
  /** By the digest it tells whether they changed, without keeping another copy of their secrets. */
  onFound(digest: string): void;
  onFailure(error: unknown): void;
}>;

/** Looks at a connection's settings now and then: a file or a secret may change under one that works, or that was turned away. */
export interface SettingsWatch {
  look(): void;
  /** The next look comes after so many ms. */
  arm(ms: number): void;
  stop(): void;
}

export function createSettingsWatch(options: SettingsWatchOptions): SettingsWatch {
  const { read, deadlineMs, clock, everyMs, isDialling, onFound, onFailure } = options;
  let timer: NodeJS.Timeout | undefined;
  let under: Bounded<string> | undefined;

  const arm = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(look, ms);
    timer.unref();
  };
  const look = () => {
    clearTimeout(timer);
    const ms = everyMs();
    if (ms === undefined) return;
    arm(ms);
    if (isDialling()) return;
    const limit = { ms: deadlineMs, message: "the settings took too long", clock };
    under = bounded(limit, async (signal) => digestOf(await read(signal)));
    under.promise.then(onFound, onFailure);
  };
  return {
    look,
    arm,
    stop() {
      clearTimeout(timer);
      under?.cancel({ kind: "internal", message: "nobody uses the connection any more" });
    },
  };
}
