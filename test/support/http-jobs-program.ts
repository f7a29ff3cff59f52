// A service that tells its queues by HTTP, in a process of its own; the test fills them by lines of JSON on its input.
import { createServer } from "node:http";
import { createInterface } from "node:readline";

type Queue = { waiting: unknown; running: number };
type Command = { id: number; op: string; queue: string; jobs: number };

const options = JSON.parse(process.argv[2] ?? "{}") as { port: number; token?: string };
const queues = new Map<string, Queue>();

const escaped = (text: string) => text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n");

/** As Prometheus reads it. */
function page(): string {
  const lines = [...queues].flatMap(([name, { waiting, running }]) => [
    // A line that nobody can read would spoil the page for all.
    `jobs_waiting{queue="${escaped(name)}"} ${typeof waiting === "number" ? waiting : "NaN"}`,
    `jobs_running{queue="${escaped(name)}"} ${running}`,
  ]);
  return ["# HELP jobs_waiting Jobs that wait.", "# TYPE jobs_waiting gauge", ...lines, ""].join("\n");
}

const server = createServer((request, response) => {
  if (options.token !== undefined && request.headers.authorization !== `Bearer ${options.token}`) {
    response.writeHead(401).end();
    return;
  }
  if (request.url === "/metrics") {
    response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end(page());
    return;
  }
  const queue = queues.get(decodeURIComponent(/^\/queues\/(.*)/.exec(request.url ?? "")?.[1] ?? ""));
  response.writeHead(queue ? 200 : 404, { "content-type": "application/json" }).end(JSON.stringify(queue ?? { error: "none" }));
});
server.listen(options.port, "127.0.0.1", () => console.log(JSON.stringify({ port: options.port })));

const operations: Record<string, (command: Command, queue: Queue) => unknown> = {
  make: () => {},
  put: ({ jobs }, queue) => (queue.waiting = Number(queue.waiting) + jobs),
  take({ jobs }, queue) {
    queue.waiting = Number(queue.waiting) - jobs;
    queue.running += jobs;
  },
  spoil: (_, queue) => (queue.waiting = "many"),
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line) as Command;
    const queue = queues.get(command.queue) ?? { waiting: 0, running: 0 };
    queues.set(command.queue, queue);
    operations[command.op]?.(command, queue);
    console.log(JSON.stringify({ id: command.id }));
  })
  .on("close", () => process.exit());
