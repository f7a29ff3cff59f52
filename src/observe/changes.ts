import type { Sample, Worker } from "../core/contract.ts";

/** Whether two readings differ in what decisions use. Ages and times alone do not: they move with the clock. */
export function differs(a: Sample, b: Sample): boolean {
  return (
    a.waiting !== b.waiting ||
    a.running !== b.running ||
    a.runningUnknown !== b.runningUnknown ||
    a.dueSoon !== b.dueSoon ||
    a.reserved !== b.reserved ||
    a.ceiling !== b.ceiling ||
    a.wants !== b.wants ||
    a.atMost !== b.atMost ||
    a.wantsReason !== b.wantsReason ||
    a.until !== b.until ||
    a.othersIdle !== b.othersIdle ||
    a.epoch !== b.epoch ||
    a.enqueued !== b.enqueued ||
    a.finished !== b.finished ||
    (a.workers !== b.workers && workersDiffer(a.workers, b.workers))
  );
}

function workersDiffer(a: readonly Worker[] | undefined, b: readonly Worker[] | undefined): boolean {
  if (a === undefined || b === undefined || a.length !== b.length) return true;
  // Most sources list them in the same order each time; where one does not, the order alone is no change.
  if (a.every((worker, index) => sameWorker(worker, b[index]))) return false;
  const byId = new Map(b.map((worker) => [worker.id, worker]));
  return byId.size !== a.length || !a.every((worker) => sameWorker(worker, byId.get(worker.id)));
}

function sameWorker(a: Worker, b: Worker | undefined): boolean {
  return (
    b !== undefined &&
    a.id === b.id &&
    a.busy === b.busy &&
    a.reserved === b.reserved &&
    a.quiet === b.quiet &&
    a.slots === b.slots
  );
}
