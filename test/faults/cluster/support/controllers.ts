import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { rulesOf, secretRules } from "../../../../src/install/permissions.ts";
import { type Line, parseLines } from "../../../support/checker/lines.ts";
import { type Access, openAccess } from "../../../support/cluster/access.ts";
import { findPrograms } from "../../../support/control-plane.ts";
import { startProxy, type TestProxy } from "../../../support/proxy.ts";
import { type ScriptedApi, startScriptedApi } from "../../../support/scripted-api.ts";
import { createUser, type Rule } from "../../../support/shared-control-plane.ts";
import { waitFor } from "../../../support/wait.ts";
import type { Notes } from "../../support/house.ts";
import { kill } from "../../support/proc.ts";
import { type Life, live } from "../../support/worktide.ts";

/** One `worktide controller`: a process with an account of its own, behind a proxy of its own. */
export type Controller = Readonly<{
  run: number;
  life: Life;
  /** Between it and the API server. */
  api: TestProxy;
  /** Between that and the API server, where it was asked for. */
  script: ScriptedApi;
  signal(name: NodeJS.Signals): void;
  /** Ends it by this signal, and waits until it has gone. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  says(text: string, from?: number): Promise<void>;
  leads(): Promise<void>;
}>;

export type StartOptions = Readonly<{
  args?: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** What the API server says can be changed, too. */
  scripted?: boolean;
  /** Rights beyond those of an install. */
  rules?: readonly Rule[];
}>;

export const leaseMs = 5_000;

/** All controllers of one stage. */
export type Controllers = Readonly<{
  start(options?: StartOptions): Promise<Controller>;
  all(): readonly Controller[];
  users(): Readonly<Record<number, string>>;
  /** What they wrote down themselves. */
  recorded(): Promise<readonly Line[]>;
}>;

type Place = Readonly<{ plane: Access; room: string; dir: string }>;

/** `undo` kills those that still live. */
export function createControllers({ plane, room, dir }: Place, { note, now }: Notes, undo: AsyncDisposableStack): Controllers {
  const all: Controller[] = [];
  const users: Record<number, string> = {};
  const historyFile = (run: number) => join(dir, `history-${run}.jsonl`);

  const behindProxy = async (name: string, { scripted = false, rules: more = [] }: StartOptions) => {
    const programs = await findPrograms();
    if ("missing" in programs) throw new Error(programs.missing);
    // Just what an install grants it in the namespaces that it serves.
    const rules = [...rulesOf(["watched", "own"]), ...secretRules("all"), ...more];
    const user = undo.use(await createUser(plane, { namespace: room, name, rules }));
    const script = scripted ? undo.use(await startScriptedApi(plane)) : undefined;
    const dialled = () => note({ kind: "dial", t: now(), connection: `api of ${name}` });
    // A scripted one speaks HTTP/1.1, in which each watch is a connection: how many are made says nothing there.
    const api = undo.use(await startProxy(() => script?.port ?? Number(new URL(plane.url).port), script ? undefined : dialled));
    const address = { url: `https://127.0.0.1:${api.port}`, ca: script?.ca ?? plane.ca, token: user.token };
    const { kubeconfig } = undo.use(await openAccess(join(dir, `${name}.kubeconfig`), programs.bin, address));
    return { api, script, kubeconfig };
  };

  return {
    all: () => all,
    users: () => users,
    async start(options = {}) {
      const { args = [], env = {} } = options;
      const run = all.length + 1;
      const name = `controller-${run}`;
      const { api, script, kubeconfig } = await behindProxy(name, options);
      users[run] = name;
      let expected = false;
      const flags = ["--namespaces", room, "--lease-namespace", room, "--lease-duration", `${leaseMs}ms`, "--identity", name];
      const life = await live({
        run,
        args: ["controller", ...flags, "--history", historyFile(run), ...args],
        env: { KUBECONFIG: kubeconfig, ...env },
        said: (text) => note({ kind: "output", t: now(), source: name, text }),
      });
      void life.exited.then((detail) => note({ kind: "proc", t: now(), run, event: "exit", expected, detail }));
      undo.defer(async () => {
        expected = true;
        kill(life.pid, "SIGCONT");
        kill(life.pid, "SIGKILL");
        await life.exited;
      });
      const says = (text: string, from = 0) =>
        waitFor(`${name} to say '${text}'`, () => {
          if (life.gone()) throw new Error(`${name} ended:\n${life.said.slice(-10).join("\n")}`);
          return life.said.slice(from).some((line) => line.includes(text));
        });
      const controller: Controller = {
        ...{ run, life, api, says },
        get script() {
          if (script === undefined) throw new Error(`${name} was started without a script`);
          return script;
        },
        leads: () => says('"msg":"leads"'),
        signal: (name) => kill(life.pid, name),
        async end(signal) {
          expected = true;
          kill(life.pid, signal);
          await life.exited;
        },
      };
      all.push(controller);
      await says("what is declared is known");
      note({ kind: "proc", t: now(), run, event: "ready", expected: true, detail: life.url });
      return controller;
    },
    async recorded() {
      const texts = await Promise.all(
        all.map(async ({ run }) => parseLines(await readFile(historyFile(run), "utf8"), run, room)),
      );
      return texts.flat();
    },
  };
}
