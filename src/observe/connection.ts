import { createHash } from "node:crypto";
import type { AnyBroker, AnyScaler, Problem, Session } from "../core/contract.ts";
import { backoffMs } from "./backoff.ts";
import { type Bounded, bounded } from "./bounded.ts";
import type { Dials } from "./dials.ts";
import type { ConnectionSource } from "./observer.ts";
import { isOfCredential, problemOf } from "./problems.ts";
import type { Stalls } from "./stalls.ts";

/** One live session, and what is being asked on it. */
export type Link = Readonly<{ session: Session<Parameters<AnyScaler["read"]>[0]>; calls: Set<Bounded<unknown>> }>;

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
const closeMs = 2_000;
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
  let checking: NodeJS.Timeout | undefined;
  let check: Bounded<unknown> | undefined;
  let closed = false;
  const closing = new Set<Promise<void>>();

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
        const settings = await source().settings(signal);
        const digest = digestOf(settings);
        tried = digest;
        return { session: await broker.open(settings, signal), digest };
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
    armCheck(house.settingsCheckMs);
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
    if (isOfCredential(why.kind)) armCheck(authCheckMs);
    user.failed(why);
  };

  const armCheck = (ms: number) => {
    clearTimeout(checking);
    checking = setTimeout(lookAtSettings, ms);
    checking.unref();
  };

  /** A file or a secret may have changed under a connection that still works, or that was turned away. */
  const lookAtSettings = () => {
    clearTimeout(checking);
    if (closed || (current === undefined && !isOfCredential(problem?.kind))) return;
    armCheck(current === undefined ? authCheckMs : house.settingsCheckMs);
    if (attempt !== undefined) return;
    const limit = { ms: house.dialDeadlineMs, message: "the settings took too long", clock };
    const look = bounded(limit, async (signal) => digestOf(await source().settings(signal)));
    check = look;
    look.promise.then(
      (found) => {
        if (!closed && found !== (current === undefined ? tried : digest)) dial();
      },
      (error: unknown) => {
        if (closed || current === undefined) return;
        tell(`reading the settings of ${source().name}`, error);
      },
    );
  };

  /** Lets what is being asked on it end, within bounds, and closes it. */
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
    checkSettings: lookAtSettings,
    nudge() {
      if (!isOfCredential(problem?.kind) || attempt !== undefined) return;
      clearTimeout(waiting);
      waiting = setTimeout(dial, Math.max(0, dialledAt + 1000 - clock()));
    },
    async close() {
      closed = true;
      clearTimeout(waiting);
      clearTimeout(checking);
      leaveQueue?.();
      const gone: Problem = { kind: "internal", message: "nobody uses the connection any more" };
      attempt?.cancel(gone);
      check?.cancel(gone);
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

function abandon(link: Link, why: Problem): void {
  destroy(link.session);
  cancelCalls(link, why);
}

function cancelCalls(link: Link, why: Problem): void {
  for (const call of [...link.calls]) call.cancel(why);
}

async function closeLink(link: Link, clock: () => number): Promise<void> {
  const limit = { ms: closeMs, message: "closing took too long", clock };
  try {
    await Promise.allSettled([...link.calls].map(({ promise }) => promise));
    await bounded(limit, async () => link.session[Symbol.asyncDispose]()).promise;
  } catch {
    destroy(link.session);
  }
}

function destroy(session: Link["session"]): void {
  try {
    session.destroy();
  } catch {
    // It is of no more use either way.
  }
}

/** Tells whether settings changed, without keeping another copy of their secrets. */
function digestOf(settings: unknown): string {
  return createHash("sha256")
    .update(JSON.stringify(settings) ?? "")
    .digest("hex");
}
