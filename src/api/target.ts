import { z } from "zod";
import { duration } from "./duration.ts";
import { cel, clusterOnly, complain, foundText, localOnly, objectName, text, variable } from "./fields.ts";
import { jobTarget } from "./job-target.ts";

/** A word of a command, a variable or a path, as the system takes them. */
const word = (max: number, min = 0) =>
  text(max, min).superRefine((value, context) => {
    if (value.includes("\0")) complain(context, "invalid-value", [], "must not hold NUL, which the system takes for its end");
  });

/** Local worker processes. */
const process = z.strictObject({
  command: z
    .array(word(4096))
    .min(1)
    .max(256)
    .describe(
      "Program and its arguments, without a shell; `${WORKTIDE_WORKER_ID}` stands for the name of each process. " +
        'Example: `["node", "worker.js"]`.',
    ),
  cwd: word(4096, 1).default(".").describe("Working folder, relative to this file. Example: `./app`."),
  env: z
    .record(variable(), word(32768))
    .default({})
    .describe("Environment on top of Worktide's own; values are strings. Example: `{ QUEUE: mails }`."),
  stopSignal: z
    .enum(["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"])
    .default("SIGTERM")
    .describe("What asks a process to finish its jobs and end. Example: `SIGINT`."),
  stopGrace: duration({ min: "0s", max: "24h" })
    .prefault("30s")
    .describe(
      "How long it may take to end before it is killed, and its children with it; longer where it holds a job and `protect` is " +
        "`busy`. Children that left its process group (setsid, daemons) are not ended with it. Example: `10m`.",
    ),
  logs: z
    .enum(["Prefix", "File", "Discard"])
    .default("Prefix")
    .describe(
      "Output of the processes. `Prefix`: on ours, each line with the name in front, without the secrets that Worktide knows and " +
        "without control characters, cut at 16 KiB. `File`: one file each. `Discard`: nowhere. The files (of `Prefix` too; of `Discard` empty ones) " +
        "are in the state folder, `pools/…/logs`, as the worker wrote them, for nobody but you to read (0600); by them a worker is found " +
        "again that overwrites its environment with a title (Airflow's), should the state be lost. Example: `File`.",
    ),
});

/** Each is one way to say what is scaled. */
const ways = ["kind", "job", "process"] as const;

/** What is scaled. */
export const target = z
  .strictObject({
    apiVersion: text(317)
      .regex(/^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?v[0-9][a-z0-9]*$/)
      .meta({ must: "must be group/version, such as 'apps/v1' or 'argoproj.io/v1alpha1'" })
      .optional()
      .describe("API group and version of `kind`. Default: `apps/v1`. Example: `argoproj.io/v1alpha1`."),
    kind: text(63)
      .regex(/^[A-Z][A-Za-z0-9]*$/)
      .meta({ must: "must be a kind of object, such as 'Deployment'", ...clusterOnly("use `process`") })
      .optional()
      .describe("Kind of the object that is scaled: anything with a `/scale` subresource. Example: `Deployment`."),
    name: objectName()
      .optional()
      .describe(
        "Name of that object, in the same namespace. Changed, the former object keeps the size that it has. Example: `mails`.",
      ),
    job: jobTarget
      .meta(clusterOnly("use `process`"))
      .optional()
      .describe("Jobs in place of a pool: one replica is one Job of Kubernetes, which ends by itself."),
    process: process
      .meta(localOnly("use `kind` and `name`, or `job`"))
      .optional()
      .describe("Local processes: one replica is one process. In a file of `worktide run` only."),
  })
  .superRefine((value, context) => {
    const given = ways.filter((way) => value[way] !== undefined);
    if (given.length !== 1) {
      const message = `must have exactly one of \`kind\` (with \`name\`), \`job\`, \`process\`; ${foundText(given)}`;
      complain(context, "one-target", given[1] ? [given[1]] : [], message, {
        unlessUnknown: given.length === 0,
        unlessInvalid: ways,
      });
    } else if (given[0] !== "kind") {
      const beside = (["name", "apiVersion"] as const).find((key) => value[key] !== undefined);
      if (beside !== undefined) complain(context, "one-target", [beside], "must stand beside `kind` only");
    } else if (value.name === undefined) {
      complain(context, "target-name", [], "must have `name` beside `kind`", { unlessUnknown: true });
    }
  })
  .meta(
    cel(
      { rule: "has(self.kind) != has(self.job)", message: "must have exactly one of `kind` (with `name`), `job`" },
      { rule: "!has(self.kind) || has(self.name)", message: "must have `name` beside `kind`" },
      {
        rule: "has(self.kind) || !(has(self.name) || has(self.apiVersion))",
        message: "`name` and `apiVersion` must stand beside `kind` only",
      },
      {
        rule: "has(self.job) == has(oldSelf.job)",
        message: "must not change between `kind` and `job`: running Jobs would lose their owner; make a new ScaledWorker",
      },
    ),
  );
