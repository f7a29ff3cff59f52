import { createHash } from "node:crypto";
import { type Catalog, idOf } from "./pubsub-catalog.ts";
import type { SubscriptionRef } from "./pubsub-client.ts";
import type { Google } from "./pubsub-google.ts";
import { type Probe, probeLabel, startProbe } from "./pubsub-probe.ts";

/** All probes of a session. */
export interface Probes {
  listen(ref: SubscriptionRef, hint: () => void): Disposable;
  of(ref: SubscriptionRef): Probe | undefined;
  /** Cuts all: what they were stays for the next session. */
  cut(): void;
  /** Cuts all and removes their subscriptions. */
  remove(): Promise<void>;
}

export type ProbeTimes = Readonly<{
  /** A probe that nobody listens to is kept so long, ms: a reload lets go of everything for a moment. */
  lingerMs: number;
  /** Leftovers of a crash are looked for so long after the first probe began, ms. */
  sweepMs: number;
}>;

type ProbesOptions = ProbeTimes & Readonly<{ google: Google; catalog: Catalog; owner: string }>;

type Kept = { readonly ref: SubscriptionRef; readonly probe: Probe; readonly hints: Set<() => void>; going?: NodeJS.Timeout };

const removeMs = 5000;

/** What was heard is remembered for as long as the session lives: numbers of Google may need minutes to tell it too. */
export function createProbes({ google, catalog, owner, lingerMs, sweepMs }: ProbesOptions): Probes {
  const open = new Map<string, Kept>();
  const past = new Map<string, Probe>();
  const removing = new Set<Promise<void>>();
  const label = labelOf(owner);
  let sweeping: NodeJS.Timeout | undefined;
  let gone = false;

  const start = (key: string, ref: SubscriptionRef): Kept => {
    const hints = new Set<() => void>();
    const tell = () => {
      for (const hint of hints) hint();
    };
    const kept: Kept = { ref, hints, probe: startProbe(ref, { google, catalog, owner: label, hint: tell }) };
    open.set(key, kept);
    sweeping ??= setTimeout(() => void sweep(ref.project), sweepMs).unref();
    return kept;
  };

  const end = (key: string, { probe }: Kept) => {
    open.delete(key);
    past.set(key, probe);
    const done = probe.remove(AbortSignal.timeout(removeMs)).finally(() => removing.delete(done));
    removing.add(done);
  };

  /** Probes of ours that nobody listens to: of a run that ended without a word. */
  const sweep = async (project: string) => {
    const signal = AbortSignal.timeout(removeMs);
    try {
      const ours = (await google.subscriptions(project, signal)).filter(({ labels }) => labels?.[probeLabel] === label);
      const used = new Set([...open.values()].map(({ probe }) => idOf(probe.name)));
      const left = ours.map(({ name }) => name ?? "").filter((name) => !used.has(idOf(name)));
      if (!gone) await Promise.all(left.map((name) => google.remove(name, signal)));
    } catch {
      // They go by themselves after a day; the next session looks again.
    }
  };

  const cut = () => {
    gone = true;
    clearTimeout(sweeping);
    for (const { probe, going } of open.values()) {
      clearTimeout(going);
      probe.cut();
    }
  };

  return {
    listen(ref, hint) {
      const key = keyOf(ref);
      const kept = open.get(key) ?? start(key, ref);
      clearTimeout(kept.going);
      const mine = () => hint();
      kept.hints.add(mine);
      return {
        [Symbol.dispose]() {
          if (!kept.hints.delete(mine) || kept.hints.size > 0 || gone) return;
          kept.going = setTimeout(() => end(key, kept), lingerMs).unref();
        },
      };
    },
    of: (ref) => open.get(keyOf(ref))?.probe ?? past.get(keyOf(ref)),
    cut,
    async remove() {
      for (const [key, kept] of open) {
        clearTimeout(kept.going);
        end(key, kept);
      }
      cut();
      await Promise.all(removing);
    },
  };
}

const keyOf = ({ project, subscription }: SubscriptionRef) => `${project}/${subscription}`;

/** Labels take 63 characters; the project's connections of one owner share their probes. */
const labelOf = (owner: string) => (owner.length <= 40 ? owner : createHash("sha256").update(owner).digest("hex").slice(0, 40));
