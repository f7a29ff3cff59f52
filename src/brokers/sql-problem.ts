import type { Problem } from "../core/contract.ts";

/** A standby may be behind, and a zero of a minute ago is none. */
export const replicaProblem: Problem = {
  kind: "replica",
  message: "this server takes no writes: a replica, whose numbers may be old; connect to the primary",
};
