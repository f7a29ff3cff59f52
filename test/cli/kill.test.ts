import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { parseLines } from "../support/checker/lines.ts";
import { waitFor } from "../support/wait.ts";
import { type House, openHouse } from "./house.ts";

/** Random numbers of a seed (mulberry32): a run that fails can be run again. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const kills = 10;

/** Members that one worktide started or took over, by its history. */
function members(history: string): ReadonlySet<string> {
  const lines = parseLines(readFileSync(history, "utf8"));
  const taken = lines.filter((line) => line.kind === "member" && (line.event === "adopted" || line.event === "started"));
  return new Set(taken.flatMap((line) => ("id" in line ? [String(line.id)] : [])));
}

describe("worktide killed at any moment", { timeout: 600_000 }, () => {
  let house: House;
  before(async () => {
    house = await openHouse();
  });
  after(() => house[Symbol.asyncDispose]());

  it("takes its workers over at the next start: none twice, none forgotten, no job lost or repeated", async (t) => {
    const seed = Number(process.env["WORKTIDE_SEED"] ?? Math.floor(Math.random() * 1e9));
    t.diagnostic(`WORKTIDE_SEED=${seed}`);
    const random = randomOf(seed);
    const name = house.nameOf("killed");
    await house.write(house.connection(), house.pool(name, { max: 4 }));
    let asked = 0;
    let life = await house.run();
    for (let kill = 1; kill <= kills; kill++) {
      const jobs = 2 + Math.floor(4 * random());
      await house.add(name, jobs, Math.round(300 + 1500 * random()));
      asked += jobs;
      await pause(1500 * random() * random());
      life.signal("SIGKILL");
      assert.equal(await life.exited, "SIGKILL");
      // Every third time the next one is killed too, while it starts.
      if (kill % 3 === 0) await house.runAndKill(900 * random());
      const left = house.alive(name);
      const history = join(house.folder, `history-${kill}.jsonl`);
      life = await house.run(["--history", history]);
      // History is written behind; and who has meanwhile ended needs nobody who knows of it.
      const forgotten = () => left.filter((id) => house.alive(name).includes(id) && !members(history).has(id));
      await waitFor(`kill ${kill}: all ${left.length} that lived to be known`, () => forgotten().length === 0);
      const size = (await house.snapshot(life, name)).pool?.existing ?? 0;
      assert.ok(size <= 4, `kill ${kill}: ${size} of at most 4`);
    }
    await waitFor("every job", () => house.done(name) >= asked);
    await house.size(name, 0);
    assert.equal(house.done(name), asked);
    assert.deepEqual(house.unfair(), []);
    life.signal("SIGTERM");
    assert.equal(await life.exited, 0);
  });
});
