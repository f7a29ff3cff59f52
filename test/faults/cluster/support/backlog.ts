import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Access } from "../../../support/cluster/access.ts";
import type { ApiFault, ApiRequest } from "../../../support/scripted-api.ts";
import { pool } from "../../support/pools.ts";
import type { Verdict } from "../../support/steps.ts";
import { type ClusterStage, setClusterStage } from "./stage.ts";

/** A list of 3 that nobody empties, one worker for each. */
export const backlog = pool("backlog", { kind: "list", waitingPerReplica: 1, max: 9 });

/** So many elements of a list. */
export const fill = (count: number): string[] => Array.from({ length: count }, String);

export const isScale = ({ method, path }: ApiRequest): boolean => method === "PUT" && path.endsWith("/scale");

/** The first so many that fit get this fault, and all others none. */
export function first(times: number, fits: (request: ApiRequest) => boolean, fault: ApiFault) {
  let left = times;
  const judge = (request: ApiRequest) => (fits(request) && left-- > 0 ? fault : undefined);
  return { judge, done: () => left <= 0 };
}

/** Answers writes of a size so, first of a larger and then of a smaller one: each is written once in the end. */
export async function writesOnce(plane: Access, title: string, fault: ApiFault): Promise<void> {
  await using stage = await setClusterStage(plane, { pools: [backlog] });
  const { script } = await stage.start({ scripted: true });
  await stage.settles("backlog", 3);
  for (const size of [6, 4]) {
    // What was done is found done: there is no second time.
    const bad = first("doneThen" in fault ? 1 : 2, isScale, fault);
    await stage.fault({ fault: title }, async () => {
      script.set(bad.judge);
      if (size === 6) await stage.admin.rPush("backlog:backlog", ["4", "5", "6"]);
      else await stage.admin.lTrim("backlog:backlog", 0, 3);
      await stage.wait("the fault", bad.done);
      await stage.size("backlog", size);
    });
  }
  await stage.settles("backlog", 4);
  const { lines } = await stage.judge();
  // Twice it was done without anybody being told: two writes, not four.
  const done = lines.filter((line) => line.kind === "api" && line.what === "scale" && line.verb === "update" && line.code < 300);
  assert.equal(done.length, 3, "0 → 3 → 6 → 4");
}

/** A job goes on until a file is there, while the pool (of 1 to 4) grows for others and shrinks to it again. */
export async function outlivesScaleDown(stage: ClusterStage): Promise<Verdict> {
  await stage.start();
  await stage.settles("mails", 1);
  const until = join(stage.dir, "release");
  await stage.enqueue("mails", 1, 0, { until });
  await stage.busy(1);
  await stage.enqueue("mails", 7, 300);
  await stage.settles("mails", 4);
  await stage.settles("mails", 1);
  await writeFile(until, "");
  await stage.drained();
  await stage.settles("mails", 1);
  return stage.judge();
}
