import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createTroubleLog } from "../../src/cli/trouble-log.ts";
import { createLog } from "../../src/telemetry/log.ts";

const problem = { kind: "unreachable", message: "refused", since: 0 } as const;

function rig(t: TestContext) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const lines: string[] = [];
  const log = createLog({ level: "info", format: "json", destination: { write: (text: string) => void lines.push(text) } });
  const troubles = createTroubleLog(log);
  const tell = troubles.connection;
  const said = () => lines.splice(0).map((line) => JSON.parse(line) as Record<string, unknown>);
  const flap = (times: number) => {
    for (let i = 0; i < times; i++) {
      tell({ name: "main", up: false, problem });
      tell({ name: "main", up: true });
    }
  };
  return { ...troubles, tell, said, flap, pass: (ms: number) => t.mock.timers.tick(ms) };
}

describe("the log of troubles", () => {
  it("has each turn of a connection at once", (t) => {
    const { tell, said } = rig(t);
    tell({ name: "main", up: true });
    tell({ name: "main", up: false, problem });
    assert.deepEqual(
      said().map(({ msg }) => msg),
      ["connected", "connection is down"],
    );
  });

  it("has a line a minute of one that comes and goes all the time, where it stands then, and of others all", (t) => {
    const { tell, said, flap, pass } = rig(t);
    flap(20);
    tell({ name: "other", up: true });
    assert.deepEqual([said().length, said().length], [7, 0]);
    pass(60_000);
    assert.deepEqual(
      said().map(({ msg, turns }) => [msg, turns]),
      [["connected", 34]],
    );
    flap(5);
    tell({ name: "main", up: false, problem });
    assert.equal(said().length, 0);
    pass(60_000);
    assert.deepEqual(
      said().map(({ msg, turns }) => [msg, turns]),
      [["connection is down", 11]],
    );
  });

  it("has each turn at once again after a minute of rest", (t) => {
    const { said, flap, pass } = rig(t);
    flap(20);
    pass(60_000);
    pass(60_000);
    said();
    flap(1);
    assert.equal(said().length, 2);
  });

  it("has a queue that stays unknown once, and when it is known again; not what its connection tells of already", (t) => {
    const { tell, read, said } = rig(t);
    const trigger = { name: "mails", watch: { connection: { name: "main" } } };
    const missing = { kind: "missing", message: "no queue 'mails'" } as const;
    for (let count = 1; count < 9; count++) read("shop/mails", trigger, { problem: missing, since: 0, count });
    read("shop/mails", trigger, undefined);
    read("shop/mails", trigger, undefined);
    const known = { worker: "shop/mails", trigger: "mails" };
    assert.deepEqual(
      said().map(({ time: _, level: __, ...line }) => line),
      [
        { ...known, connection: "main", problem: "missing", reason: "no queue 'mails'", msg: "a queue is not known" },
        { ...known, msg: "a queue is known again" },
      ],
    );
    tell({ name: "main", up: false, problem });
    said();
    for (let count = 1; count < 9; count++) read("shop/mails", trigger, { problem, since: 0, count });
    assert.deepEqual(said(), []);
  });
});
