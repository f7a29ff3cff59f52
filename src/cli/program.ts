import { Command, Option } from "commander";
import type { World } from "./world.ts";

const exitCodes = `
Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 found, but not healthy`;

const fileOption = () =>
  new Option("-f, --file <path>", "ScaledWorker and QueueConnection documents, YAML").default("worktide.yaml");
const urlOption = () =>
  new Option("--url <url>", "where the running Worktide answers (env: WORKTIDE_URL; default: the one that runs with this file)");
const stateOption = () =>
  new Option("--state <dir>", "where worker processes are remembered (env: WORKTIDE_STATE; default: .worktide beside the file)");

/** What both of `run` and `controller` take. */
function servingOptions(command: Command): Command {
  return command
    .addOption(new Option("--allow-host <name...>", "names besides addresses and localhost that the page may be asked for by"))
    .addOption(new Option("--history <file>", "append all that is seen, decided and done, as JSON lines"))
    .addOption(new Option("--log-level <level>", "error, warn, info or debug (env: WORKTIDE_LOG_LEVEL; default: info)"))
    .addOption(
      new Option("--log-format <format>", "pretty or json (env: WORKTIDE_LOG_FORMAT; default: pretty on a terminal, else json)"),
    );
}

/** The command line. Each command is loaded when it is asked for; `ended` takes its exit code. */
export function programOf(world: World, ended: (code: number) => void): Command {
  const root = new Command("worktide")
    .description("Grows and shrinks pools of queue workers with their backlog, and never at the cost of a job in hand.")
    .version(world.version)
    .showHelpAfterError("(worktide --help tells more)")
    .showSuggestionAfterError()
    .addHelpText(
      "after",
      `
Examples:
  worktide demo                       two real queues, real workers, a page that shows them
  worktide run -f worktide.yaml       size the pools of that file, until Ctrl-C
  worktide explain mails              why there are as many workers as there are${exitCodes}`,
    );
  const command = (name: string, description: string, examples: string) =>
    root.command(name).description(description).addHelpText("after", `\nExamples:\n${examples}${exitCodes}`);
  const frame = { command, world, ended };
  addRun(frame);
  addController(frame);
  addCheck(frame);
  addAsks(frame);
  addDemo(frame);
  addManifests(frame);
  // Subcommands made above take their settings from here only when they are told to.
  for (const each of root.commands) each.exitOverride().showHelpAfterError("(--help tells more)");
  return root.exitOverride();
}

type Frame = Readonly<{
  command: (name: string, description: string, examples: string) => Command;
  world: World;
  ended: (code: number) => void;
}>;

function addRun({ command, world, ended }: Frame): void {
  const run = command(
    "run",
    "size the pools that a file declares, until Ctrl-C",
    "  worktide run -f worktide.yaml\n  worktide run -f worktide.yaml --listen 127.0.0.1:9000 --history history.jsonl",
  )
    .addOption(fileOption())
    .addOption(stateOption())
    .addOption(
      new Option(
        "--listen <host:port>",
        "page, API and metrics; port 0: any free one (env: WORKTIDE_LISTEN; default: 127.0.0.1:8484)",
      ),
    );
  servingOptions(run).action(async (options) => ended(await (await import("./run.ts")).runCommand(options, world)));
}

function addController({ command, world, ended }: Frame): void {
  const controller = command(
    "controller",
    "size what the ScaledWorkers of a cluster declare, until SIGTERM",
    "  worktide controller\n  worktide controller --kubeconfig ~/.kube/config --namespaces shop,mail",
  )
    .addOption(new Option("--namespaces <names>", "only these, with commas between (env: WORKTIDE_NAMESPACES; default: all)"))
    .addOption(new Option("--kubeconfig <path>", "credentials (env: KUBECONFIG; default: those of the pod, else ~/.kube/config)"))
    .addOption(new Option("--context <name>", "context of the kubeconfig (env: WORKTIDE_CONTEXT; default: the current one)"))
    .addOption(new Option("--listen <host:port>", "page, API, metrics, probes (env: WORKTIDE_LISTEN; default: 0.0.0.0:8484)"))
    .addOption(
      new Option(
        "--page <to>",
        "who gets page and API: loopback, as by kubectl port-forward, or all of the network (env: WORKTIDE_PAGE; default: loopback)",
      ),
    )
    .addOption(
      new Option(
        "--lease-name <name>",
        "Lease that replicas elect their leader by (env: WORKTIDE_LEASE_NAME; default: worktide)",
      ),
    )
    .addOption(
      new Option("--lease-namespace <name>", "where it is (env: WORKTIDE_LEASE_NAMESPACE; default: that of the credentials)"),
    )
    .addOption(
      new Option(
        "--lease-duration <duration>",
        "how long a leader that is gone still leads (env: WORKTIDE_LEASE_DURATION; default: 15s)",
      ),
    )
    .addOption(new Option("--identity <name>", "name of this replica (env: WORKTIDE_IDENTITY, POD_NAME; default: the host's)"))
    .addOption(new Option("--webhook <host:port>", "answer admission reviews there (env: WORKTIDE_WEBHOOK; default: off)"))
    .addOption(
      new Option(
        "--webhook-cert-dir <path>",
        "folder with tls.crt and tls.key (env: WORKTIDE_WEBHOOK_CERT_DIR; default: own certificate)",
      ),
    );
  servingOptions(controller).action(async (options) =>
    ended(await (await import("./controller.ts")).controllerCommand(options, world)),
  );
}

function addCheck({ command, world, ended }: Frame): void {
  command(
    "check",
    "say all that is wrong with a file, changing nothing",
    "  worktide check -f worktide.yaml\n  worktide check -f worktide.yaml --json",
  )
    .addOption(fileOption())
    .option("--json", "findings for machines")
    .option("--connect", "also connect and read every trigger once")
    .action(async (options) => ended(await (await import("./check.ts")).checkCommand(options, world)));
}

/** What is asked of a Worktide that runs. */
function addAsks({ command, world, ended }: Frame): void {
  for (const [name, description, run] of [
    ["status", "every pool in a line", "statusCommand"],
    ["explain", "why there are as many workers as there are, and what would change it", "explainCommand"],
    ["history", "what was seen, decided and done lately, as JSON lines", "historyCommand"],
  ] as const) {
    const asks = command(
      name,
      description,
      `  worktide ${name}${name === "status" ? "" : " mails"}\n  worktide ${name}${name === "status" ? " --json" : " shop/mails --url http://127.0.0.1:9000"}`,
    );
    if (name !== "status") asks.argument(name === "explain" ? "[name]" : "<name>", "ScaledWorker, as NAME or NAMESPACE/NAME");
    asks.addOption(urlOption()).addOption(fileOption()).addOption(stateOption());
    if (name !== "history") asks.option("--json", "for machines");
    asks.action(async (...args) => {
      const [argument, options] = name === "status" ? [undefined, args[0]] : [args[0], args[1]];
      const ask = (await import("./ask.ts"))[run];
      ended(await ask(options as never, world, argument as string | undefined));
    });
  }
}

function addDemo({ command, world, ended }: Frame): void {
  command(
    "demo",
    "two real queues with changing load, real workers, and a page that shows them",
    "  worktide demo\n  worktide demo --redis redis://127.0.0.1:6379/5 --for 60s",
  )
    .addOption(new Option("--redis <url>", "use this Redis (its database should be empty) instead of starting one"))
    .addOption(new Option("--listen <host:port>", "where the page is served (env: WORKTIDE_LISTEN; default: 127.0.0.1:8484)"))
    .addOption(new Option("--for <duration>", "end by itself after so long"))
    .action(async (options) => ended(await (await import("./demo.ts")).demoCommand(options, world)));
}

function addManifests({ command, world, ended }: Frame): void {
  command(
    "manifests",
    "print an install for a cluster, for `kubectl apply -f -`",
    `  worktide manifests | kubectl apply --server-side -f -
  worktide manifests --image registry.example/worktide:1.2.3 --replicas 2 --secrets redis,rabbitmq
  worktide manifests --scope namespaced --namespace shop
  worktide manifests crds                 only the custom resource definitions
  worktide manifests monitoring           ServiceMonitor, PrometheusRule and dashboard`,
  )
    .argument("[part]", "install, crds or monitoring", "install")
    .addOption(
      new Option("--scope <scope>", "cluster: serves all namespaces; namespaced: some, without a ClusterRole").default("cluster"),
    )
    .addOption(new Option("--namespace <name>", "where the controller lives").default("worktide-system"))
    .addOption(new Option("--namespaces <names>", "namespaces to serve, with --scope namespaced (default: its own)"))
    .addOption(new Option("--image <image>", "image of the controller (default: worktide, tagged with this version)"))
    .addOption(new Option("--replicas <count>", "controllers: one leads, the others stand by").default("1"))
    .addOption(new Option("--secrets <names>", "Secrets that it may read: none, all, or names").default("none"))
    .addOption(new Option("--no-webhook", "do not have the API server ask before documents are stored"))
    .addOption(new Option("--no-crds", "leave the custom resource definitions out"))
    .action(async (part, options) => ended(await (await import("./manifests.ts")).manifestsCommand(part, options, world)));
}
