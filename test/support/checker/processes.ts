import { type History, touches } from "./history.ts";
import type { Expected, LineOf, Violation } from "./lines.ts";

/** I15. Identity: once a pool was seen under a new uid, no write rests on a decision about the old one. */
export function oldIdentityIsVoid(history: History): Violation[] {
  return history.workers.flatMap(([worker]) => {
    const decides = history.of("decide").filter((decide) => decide.worker === worker);
    return history.writes(worker).flatMap((write) => {
      const uid = history.decision(write)?.uid;
      const newest = decides.findLast((decide) => decide.t <= write.sentAt)?.uid;
      if (uid === undefined || newest === undefined || uid === newest) return [];
      return [
        {
          invariant: "I15",
          t: write.t,
          message: `${worker} was written for ${uid} after it had become ${newest}`,
          lines: [write],
        },
      ];
    });
  });
}

/** The ways in which a secret may be written. */
const spellings = (secret: string): string[] => [
  secret,
  encodeURIComponent(secret),
  Buffer.from(secret).toString("base64").replace(/=+$/, ""),
  JSON.stringify(secret).slice(1, -1),
];

/** I19. No secret of this run occurs in any line: history, output, metrics, status. */
export function secretsStaySecret(history: History): Violation[] {
  const canaries = (history.plan.canaries ?? []).flatMap(spellings);
  return history.lines.flatMap((line) => {
    const text = JSON.stringify(line);
    return canaries.some((canary) => text.includes(canary))
      ? [
          {
            invariant: "I19",
            t: line.t,
            message: `a secret stands in a line of kind ${line.kind}`,
            lines: [line],
          },
        ]
      : [];
  });
}

/**
 * I29. Local processes: those alive and not leaving are as many as were last written, but for the time of a transition;
 * they are never more than written for longer than that; each signal went to the process that was started under that
 * name; and after a kill of worktide each survivor is adopted, or gone.
 */
export function processesAreAccountedFor(history: History): Violation[] {
  return history.workers.flatMap(([worker, expected]) => [
    ...sizesMatch(history, worker, expected),
    ...signalsHit(history, worker),
    ...(history.plan.cluster === undefined ? nobodyIsForgotten(history, worker) : []),
  ]);
}

function sizesMatch(history: History, worker: string, expected: Expected): Violation[] {
  const { transitionMs } = history.constants;
  const restless = [
    ...history.writes(worker).map(({ sentAt, endedAt }) => ({
      from: sentAt,
      to: endedAt + transitionMs,
    })),
    ...history
      .of("member")
      .filter((line) => line.worker === worker)
      .map(({ t }) => ({ from: t, to: t + transitionMs })),
    ...history
      .of("trouble")
      .filter((line) => line.worker === worker)
      .map(({ t }) => ({ from: t, to: Number.POSITIVE_INFINITY })),
    ...history.of("proc").map(({ t }) => ({ from: t, to: t + transitionMs })),
    ...history.faults
      .filter((fault) => fault.line.connection === undefined && touches(fault, worker, expected))
      .map(({ from, to }) => ({ from, to: to + transitionMs })),
  ];
  const sizes = [
    ...history.writes(worker).map(({ endedAt: t, to: size }) => ({ t, size })),
    ...history.of("decide").flatMap(({ worker: of, t, decision }) => (of === worker ? [{ t, size: decision.from }] : [])),
  ].toSorted((a, b) => a.t - b.t);
  for (const obs of history.of("obs")) {
    if (obs.worker !== worker) continue;
    const wanted = sizes.findLast(({ t }) => t <= obs.t)?.size;
    const size = obs.alive.length - obs.leaving.length;
    if (wanted === undefined || size === wanted || restless.some(({ from, to }) => obs.t >= from && obs.t <= to)) continue;
    return [
      {
        invariant: "I29",
        t: obs.t,
        message: `${worker} has ${size} processes, ${wanted} are wanted`,
        lines: [obs],
      },
    ];
  }
  return [];
}

function signalsHit(history: History, worker: string): Violation[] {
  const pids = new Map<string, number>();
  return history.of("member").flatMap((line) => {
    if (line.worker !== worker) return [];
    if ((line.event === "started" || line.event === "adopted") && line.pid !== undefined) pids.set(line.id, line.pid);
    if (line.event !== "signalled" && line.event !== "killed") return [];
    const known = pids.get(line.id);
    if (known !== undefined && (line.pid === undefined || line.pid === known)) return [];
    return [
      {
        invariant: "I29",
        t: line.t,
        message: `a signal for ${line.id} went to ${line.pid}, which is not its process (${known})`,
        lines: [line],
      },
    ];
  });
}

function nobodyIsForgotten(history: History, worker: string): Violation[] {
  const { orphanMs, downMs, transitionMs } = history.constants;
  const procs = history.of("proc");
  return procs.flatMap((exit, index) => {
    if (exit.event !== "exit") return [];
    const next = procs.slice(index + 1).find(({ event }) => event === "ready");
    const graceMs = next === undefined ? orphanMs : downMs;
    if (next === undefined || next.t - exit.t > graceMs) {
      const orphan = aliveAt(history, worker, exit.t + graceMs, next?.t);
      return orphan === undefined ? [] : [forgotten(orphan, `outlived worktide by more than ${graceMs} ms`)];
    }
    const taken = new Set(
      history
        .of("member")
        .flatMap((line) => (line.run === next.run && (line.event === "started" || line.event === "adopted") ? [line.id] : [])),
    );
    // Of those that came after it, it knows nothing.
    const over = procs.find(({ event, t }) => event === "exit" && t > next.t)?.t ?? Number.POSITIVE_INFINITY;
    const due = next.t + transitionMs + orphanMs;
    const seen = history.of("obs").find((obs) => obs.worker === worker && obs.t > due && obs.t < over);
    return seen?.alive.some((id) => !taken.has(id)) ? [forgotten(seen, "live on, and the next worktide does not know them")] : [];
  });
}

function aliveAt(history: History, worker: string, from: number, to = Number.POSITIVE_INFINITY) {
  return history.of("obs").find((obs) => obs.worker === worker && obs.t > from && obs.t < to && obs.alive.length > 0);
}

const forgotten = (obs: LineOf<"obs">, message: string): Violation => ({
  invariant: "I29",
  t: obs.t,
  message: `workers of ${obs.worker} ${message}`,
  lines: [obs],
});
