import * as changes from "./changes.ts";
import * as convergence from "./convergence.ts";
import { type History, historyOf } from "./history.ts";
import * as jobs from "./jobs.ts";
import type { Line, Plan, Violation } from "./lines.ts";
import * as liveness from "./liveness.ts";
import * as processes from "./processes.ts";
import * as readings from "./readings.ts";
import * as record from "./record.ts";

/** Every invariant that local mode with Redis has, by its name. */
export const invariants: Readonly<Record<string, (history: History) => Violation[]>> = {
  I1: readings.neverLowerOnUnknown,
  I2: readings.zeroNeedsProof,
  I3: jobs.neverBelowBusy,
  I4: jobs.noJobLost,
  I8: convergence.converges,
  I9: convergence.neverOscillates,
  I10: changes.noEmptyWrite,
  I11: changes.everyChangeHasAReason,
  I12: changes.withinBounds,
  I13: readings.lateAnswersAreVoid,
  I15: processes.oldIdentityIsVoid,
  I17: changes.pausedIsSilent,
  I18: liveness.othersGoOn,
  I19: processes.secretsStaySecret,
  I20: liveness.boundedResources,
  I21: liveness.retriesAreGentle,
  I22: liveness.noSilence,
  I23: readings.statusIsTrue,
  I25: readings.readsTellTheTruth,
  I27: convergence.raiseIsAlive,
  I28: changes.unknownRaisesOnlyByFallback,
  I29: processes.processesAreAccountedFor,
};

/** Those of a cluster, by its name: the API server's own record is the witness. */
export const clusterInvariants: Readonly<Record<string, (history: History) => Violation[]>> = {
  I5: record.oneWriterPerTerm,
  I6: record.leaseCoversWrite,
  I7: record.noLostUpdate,
  I10: record.statusSaysSomethingNew,
  I11: record.recordAgrees,
  I14: record.readYourWrites,
  I16: record.othersAreRespected,
  I26: record.staleNeverLowers,
  I30: record.leadershipIsHandedOver,
};

/** Judges a recorded history: everything in it that no run of Worktide may ever do, in the order of time. */
export function check(lines: readonly Line[], plan: Plan): Violation[] {
  const history = historyOf(lines, plan);
  return [...Object.values(invariants), ...Object.values(clusterInvariants)]
    .flatMap((invariant) => invariant(history))
    .toSorted((a, b) => a.t - b.t);
}

/** One line per violation, for an assertion's message. */
export function describe(violations: readonly Violation[]): string {
  return violations.map(({ invariant, t, message }) => `${invariant} at ${Math.round(t)} ms: ${message}`).join("\n");
}
