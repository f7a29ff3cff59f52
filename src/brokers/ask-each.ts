import { BrokerError, type Problem, type ProblemKind } from "../core/contract.ts";
import { abortable } from "./abortable.ts";

/** What speaks against the connection, and not against one question. */
const ofConnection: ReadonlySet<ProblemKind> = new Set(["unreachable", "timeout", "tls", "auth"]);

/**
 * Asks for each of these once, side by side. A failure of one is data; where all failed for want of an answer the
 * connection itself is at fault: throws the BrokerError of the first.
 */
export async function askEach<Key, Told extends object>(
  keys: Iterable<Key>,
  ask: (key: Key) => Promise<Told | Problem>,
  signal: AbortSignal,
): Promise<ReadonlyMap<Key, Told | Problem>> {
  const told = new Map<Key, Told | Problem>();
  const failures: BrokerError[] = [];
  const one = async (key: Key) => {
    try {
      told.set(key, await ask(key));
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      if (ofConnection.has(error.problem.kind)) failures.push(error);
      told.set(key, error.problem);
    }
  };
  await abortable(Promise.all([...new Set(keys)].map(one)), signal);
  if (failures[0] && failures.length === told.size) throw failures[0];
  return told;
}
