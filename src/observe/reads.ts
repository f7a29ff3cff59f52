import type { Problem, Result } from "../core/contract.ts";
import type { Asks } from "./asks.ts";
import { bounded } from "./bounded.ts";
import type { Connection, House } from "./connection.ts";
import type { Batch } from "./groups.ts";
import type { Link } from "./link.ts";
import type { RoundReport } from "./observer.ts";
import { endsConnection, problemOf } from "./problems.ts";
import { type Answered, answer, disarm, takeProblem, takeResult, type Watched } from "./watched.ts";

type Outcome = RoundReport["outcome"];

export type ReadsHouse = House & Readonly<{ nextId: () => number }>;

/** So many readings in a row may be void because this process stood still; then it is a failure of our own. */
const voidsAllowed = 2;

/**
 * Sends one batch and takes its answers, on time, from the session that is the present one, and from a process that
 * did not stand still meanwhile; all other answers are void. The promise never rejects.
 */
export function createReads(
  connection: Connection,
  asks: Asks,
  { clock, stalls, deadlineMs, nextId, everyRead, fault }: ReadsHouse,
): (link: Link, batch: Batch) => Promise<Outcome> {
  const send = async (link: Link, batch: Batch): Promise<Outcome> => {
    const sentAt = clock();
    for (const watched of batch.watched) depart(watched, link, sentAt);
    const call = bounded<readonly Result[]>(
      { ms: deadlineMs, message: `no answer within ${deadlineMs / 1000} s`, clock, excused: stalls.since },
      (signal) => batch.scaler.read(link.session.client, batch.queries, signal),
    );
    link.calls.add(call);
    try {
      const results = await call.promise;
      arrive(batch);
      return received(link, batch, results, sentAt);
    } catch (error) {
      arrive(batch);
      return notReceived(link, batch, problemOf(error), sentAt);
    } finally {
      link.calls.delete(call);
    }
  };

  const depart = (watched: Watched, link: Link, sentAt: number) => {
    watched.reading = true;
    watched.due = false;
    watched.wokenAt = watched.hintedAt;
    if (watched.hintedAt !== undefined) watched.wokenReadAt = sentAt;
    watched.hintedAt = undefined;
    watched.asked = watched.asking;
    watched.asking = undefined;
    if (watched.armedOn !== link) arm(watched, link);
  };

  const arrive = ({ watched }: Batch) => {
    for (const each of watched) each.reading = false;
  };

  /** Before the first read of a session: it is the read that arms the keys, and its news must find a listener. */
  const arm = (watched: Watched, link: Link) => {
    disarm(watched);
    watched.armedOn = link;
    const { scaler, query } = watched.watch;
    if (scaler.wake === undefined || (scaler.wakesFromZero && !watched.resting)) return;
    try {
      watched.wakeable = scaler.wake(link.session.client, query, () => watched.armedOn === link && asks.hint(watched));
    } catch (cause) {
      fault(`arming the wake-up of a ${scaler.type} trigger`, cause);
    }
  };

  const received = (link: Link, batch: Batch, results: readonly Result[], sentAt: number): Outcome => {
    const receivedAt = clock();
    if (stalls.since(sentAt)) return voided(batch, sentAt);
    if (link !== connection.link()) return askAgain(batch);
    if (receivedAt - sentAt > deadlineMs) {
      return notReceived(
        link,
        batch,
        { kind: "timeout", message: `an answer after ${Math.round(receivedAt - sentAt)} ms` },
        sentAt,
      );
    }
    if (!Array.isArray(results) || results.length !== batch.watched.length) {
      return notReceived(link, batch, { kind: "internal", message: `the ${batch.scaler.type} scaler lost answers` }, sentAt);
    }
    connection.proven();
    const answered = answeredAt(sentAt, receivedAt);
    let index = 0;
    for (const watched of batch.watched) {
      watched.voids = 0;
      takeResult(watched, results[index++] as Result, answered);
      answer(watched, "asked");
      asks.free(watched);
    }
    return "ok";
  };

  /** Nothing can be said of the broker: it was this process that stood still. */
  const voided = (batch: Batch, sentAt: number): Outcome => {
    const answered = answeredAt(sentAt);
    for (const watched of batch.watched) {
      watched.voids += 1;
      if (watched.voids <= voidsAllowed) continue;
      watched.voids = 0;
      takeProblem(watched, { kind: "internal", message: "this process stands still too often to measure" }, answered);
      answer(watched, "asked");
      asks.free(watched);
    }
    return askAgain({ ...batch, watched: batch.watched.filter(({ voids }) => voids > 0) });
  };

  const askAgain = ({ watched }: Batch): "void" => {
    for (const each of watched) {
      each.hintedAt = each.wokenAt ?? each.hintedAt;
      if (each.asked !== undefined) each.asking = [...each.asked, ...(each.asking ?? [])];
      each.asked = undefined;
      asks.ask(each);
    }
    return "void";
  };

  const notReceived = (link: Link, batch: Batch, problem: Problem, sentAt: number): Outcome => {
    const present = connection.link();
    // The connection went first, and all that hung on it has been told; or another one has taken its place.
    if (present !== link) return present === undefined ? "failed" : askAgain(batch);
    const answered = answeredAt(sentAt);
    for (const watched of batch.watched) {
      takeProblem(watched, problem, answered);
      answer(watched, "asked");
    }
    if (endsConnection(problem.kind)) connection.drop(link, problem);
    else for (const watched of batch.watched) asks.free(watched);
    return "failed";
  };

  const answeredAt = (sentAt: number, receivedAt = clock()): Answered => ({ sentAt, receivedAt, nextId, everyRead, fault });

  return send;
}
