// Loaded before every test file by scripts/test.ts: however the file ends, by a signal too, all that it started ends with it.
import { isMainThread } from "node:worker_threads";
import { endAll } from "./end-all.ts";

const signals = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

if (isMainThread) {
  for (const [name, number] of Object.entries(signals)) process.once(name, () => process.exit(128 + number));
  process.once("exit", endAll);
  // Taking itself apart at a natural end, Node 24.21 was seen to wait for ever, at full speed, for a request that nobody will
  // answer (Environment::CleanupHandles). All is told by then: the last listener leaves at once, as process.exit() does.
  const { reallyExit } = process as unknown as { reallyExit: (code: number) => never };
  process.once("beforeExit", () => process.once("exit", reallyExit));
}
