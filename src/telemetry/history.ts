import type { Problem, Reading } from "../core/contract.ts";
import type { Decision, Situation } from "../core/decision.ts";

/**
 * One line of history: what was seen, decided and done. The record keeps the last of them per worker, `/api` and
 * `worktide run --history FILE` write them as JSON lines, replay and the invariant checker read them.
 * `t` is CLOCK_MONOTONIC in ms, so lines of several processes of one machine can be merged; `at` is wall time for people.
 */
export type HistoryLine = Readonly<{ t: number; at: string; worker: string }> &
  (
    | Readonly<{
        kind: "read";
        /** Unique within the process: decisions cite it. */
        id: number;
        trigger: string;
        connection: string;
        sentAt: number;
        receivedAt: number;
        woken: boolean;
        result: Readonly<{ reading: Reading } | { problem: Problem }>;
      }>
    | Readonly<{
        kind: "decide";
        id: string;
        uid: string;
        generation: number;
        /** The `read` ids that it was made from; null for a trigger that was never read. */
        reads: readonly (number | null)[];
        decision: Decision;
        /** All that it was made from but the rules of its generation, so that it can be made again. In files only. */
        inputs?: Omit<Situation, "rules">;
      }>
    | Readonly<{
        kind: "write";
        decision: string;
        from: number;
        to: number;
        sentAt: number;
        endedAt: number;
        outcome: "ok" | "failed";
        note?: string;
      }>
    | Readonly<{
        kind: "member";
        id: string;
        pid?: number;
        event: "started" | "adopted" | "quieted" | "unquieted" | "signalled" | "killed" | "exited";
        detail?: string;
      }>
    | Readonly<{ kind: "spec"; generation: number; detail: string }>
    | Readonly<{ kind: "trouble"; reason: string; message: string }>
  );

/** Takes history lines; `t`, `at` are filled in by the record. */
export type HistoryInput = HistoryLine extends infer Line ? (Line extends HistoryLine ? Omit<Line, "t" | "at"> : never) : never;
