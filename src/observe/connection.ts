import { digestOf } from "../api/digest.ts";
import type { AnyBroker, Problem } from "../core/contract.ts";
import { backoffMs } from "./backoff.ts";
import { type Bounded, bounded } from "./bounded.ts";
import type { Dials } from "./dials.ts";
import { abandon, cancelCalls, closeLink, destroy, type Link } from "./link.ts";
import type { ConnectionSource } from "./observer.ts";
import { isOfCredential, problemOf } from "./problems.ts";
import { createSettingsWatch } from "./settings-watch.ts";
import type { Stalls } from "./stalls.ts";

/** What all connections of an observer share. */
export type House = Readonly<{
  clock: () => number;
  random: () => number;
  dials: Dials;
  stalls: Stalls;
  deadlineMs: number;
  dialDeadlineMs: number;
  coalesceMs: number;
  settingsCheckMs: number;
  everyRead: boolean;
  fault: (doing: string, cause: unknown) => void;
}>;

/** Who is told how the connection fares. */
export type ConnectionUser = Readonly<{
  /** A session is there, the first one or another one: whatever was known or armed before does not count. */
  opened(): void;
  /** There is none, and an attempt has just failed. */
  failed(problem: Problem): void;
}>;

/** The one connection of a key: dials, notices its loss, backs off, takes on rotated secrets. At most one dial at a time. */
export interface Connection {
  link(): Link | undefined;
  /** Why there is no link; undefined while there is one, and before the first dial ended. */
  problem(): (Problem & { since: number }) | undefined;
  /** Gives up this link at once. */
  drop(link: Link, problem: Problem): void;
  /** A read on it succeeded. */
  proven(): void;
  /** Whoever uses it now may have mended its credential. */
  nudge(): void;
  /** Its secret may have changed: looks now. */
  checkSettings(): void;
  close(): Promise<void>;
}

type Opened = Readonly<{ session: Link["session"]; digest: string }>;

/** While the server turns the credential away, a changed one is looked for so often, ms. */
const authCheckMs = 5_000;
/** A connection that has lasted so long is dialled anew without delay when it is lost. */
const provenMs = 5_000;

export function createConnection(
  broker: AnyBroker,
  source: () => ConnectionSource,
  user: ConnectionUser,
  house: House,
): Connection {
  const { clock, random, dials, stalls, fault } = house;
  let current: Link | undefined;
  let problem: (Problem & { since: number }) | undefined;
  /** Of the settings that the present link was opened with, and of those that were last tried. */
  let digest: string | undefined;
  let tried: string | undefined;
  let told: string | undefined;
  let failures = 0;
  /** Of the failures, the dials. */
  let refusals = 0;
  let failingSince = 0;
  let openedAt = Number.NEGATIVE_INFINITY;
  let dialledAt = Number.NEGATIVE_INFINITY;
  let attempt: Bounded<Opened> | undefined;
  let leaveQueue: (() => void) | undefined;
  let waiting: NodeJS.Timeout | undefined;
  let closed = false;
  const closing = new Set<Promise<void>>();

  const settings = createSettingsWatch({
    read: (signal) => source().settings(signal),
    deadlineMs: house.dialDeadlineMs,
    clock,
    everyMs() {
      if (closed) return undefined;
      if (current !== undefined) return house.settingsCheckMs;
      return isOfCredential(problem?.kind) ? authCheckMs : undefined;
    },
    isDialling: () => attempt !== undefined,
    onFound(found) {
      if (!closed && found !== (current === undefined ? tried : digest)) dial();
    },
    onFailure(error) {
      if (!closed && current !== undefined) tell(`reading the settings of ${source().name}`, error);
    },
  });

  const dial = () => {
    clearTimeout(waiting);
    if (closed || attempt !== undefined || leaveQueue !== undefined) return;
    let begun = false;
    const leave = dials.turn(refusals === 0, () => {
      begun = true;
      leaveQueue = undefined;
      open();
    });
    if (!begun) leaveQueue = leave;
  };

  const open = () => {
    stalls.tick();
    dialledAt = clock();
    const ms = house.dialDeadlineMs;
    attempt = bounded<Opened>(
      {
        ms,
        message: `no connection within ${ms / 1000} s`,
        clock,
        excused: stalls.since,
        late: ({ session }) => destroy(session),
      },
      async (signal) => {
        tried = undefined;
        const found = await source().settings(signal);
        const digest = digestOf(found);
        tried = digest;
        return { session: await broker.open(found, signal), digest };
      },
    );
    attempt.promise.then(adopt).catch(refused);
  };

  const adopt = (opened: Opened) => {
    attempt = undefined;
    if (closed) {
      destroy(opened.session);
      return;
    }
    const old = current;
    const link: Link = { session: opened.session, calls: new Set() };
    link.session.lost.then(
      (why) => drop(link, why),
      (error: unknown) => drop(link, problemOf(error)),
    );
    current = link;
    openedAt = clock();
    digest = opened.digest;
    told = undefined;
    problem = undefined;
    settings.arm(house.settingsCheckMs);
    if (old !== undefined) retire(old);
    user.opened();
  };

  const refused = (error: unknown) => {
    attempt = undefined;
    refusals += 1;
    if (closed) return;
    // A new credential that does not work is no reason to lose a connection that does.
    if (current !== undefined) tell(`dialling ${source().name} with changed settings`, error);
    else outage(problemOf(error));
  };

  /** Once for each message in a row: an outage is one line, not a flood. */
  const tell = (doing: string, cause: unknown) => {
    const line = `${doing}: ${problemOf(cause).message}`;
    if (line !== told) fault(doing, cause);
    told = line;
  };

  const drop = (link: Link, why: Problem) => {
    if (link !== current) return;
    current = undefined;
    abandon(link, why);
    outage(why);
  };

  const outage = (why: Problem) => {
    const now = clock();
    if (failures === 0) failingSince = now;
    failures += 1;
    problem = { ...why, since: problem?.since ?? now };
    if (attempt === undefined) {
      clearTimeout(waiting);
      waiting = setTimeout(dial, backoffMs({ failures, lastedMs: now - failingSince, kind: why.kind }, random));
    }
    if (isOfCredential(why.kind)) settings.arm(authCheckMs);
    user.failed(why);
  };

  const retire = (link: Link) => {
    const done = closeLink(link, clock).finally(() => closing.delete(done));
    closing.add(done);
  };

  dial();
  return {
    link: () => current,
    problem: () => problem,
    drop,
    proven() {
      // One that takes us in, answers once and throws us out again is not over its outage.
      if (failures === 0 || clock() - openedAt < provenMs) return;
      failures = 0;
      refusals = 0;
    },
    checkSettings: settings.look,
    nudge() {
      if (!isOfCredential(problem?.kind) || attempt !== undefined) return;
      clearTimeout(waiting);
      waiting = setTimeout(dial, Math.max(0, dialledAt + 1000 - clock()));
    },
    async close() {
      closed = true;
      clearTimeout(waiting);
      settings.stop();
      leaveQueue?.();
      const gone: Problem = { kind: "internal", message: "nobody uses the connection any more" };
      attempt?.cancel(gone);
      const link = current;
      current = undefined;
      if (link !== undefined) {
        cancelCalls(link, gone);
        retire(link);
      }
      await Promise.all(closing);
    },
  };
}
