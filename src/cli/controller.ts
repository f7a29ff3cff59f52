import { ConfigError, type ControllerConfig, readControllerConfig } from "../config.ts";
import { tidyUp } from "./economy.ts";
import { logOf, startOrExplain, untilStopped } from "./run.ts";
import { UsageError } from "./usage-error.ts";
import type { World } from "./world.ts";

export type ControllerFlags = Readonly<Partial<Record<keyof ControllerConfig, string>>> &
  Readonly<{ allowHost?: readonly string[]; history?: string }>;

/** Sizes what the ScaledWorkers of a cluster declare, until SIGTERM or SIGINT. Resolves with the exit code. */
export async function controllerCommand({ allowHost, history, ...flags }: ControllerFlags, world: World): Promise<number> {
  const config = configOf(flags, world);
  const log = logOf(config, world);
  const { startController } = await import("./cluster.ts");
  const running = await startOrExplain(() => startController({ config, hosts: allowHost, history, log }, world));
  log.info({ url: running.url, identity: running.identity, pid: world.pid }, "running");
  tidyUp();
  await untilStopped(world.stop);
  log.info({}, "stopping: the lease is given away, targets keep their sizes");
  await running.close();
  log.info({}, "stopped");
  return 0;
}

function configOf(flags: Parameters<typeof readControllerConfig>[1], { env }: World): ControllerConfig {
  try {
    return readControllerConfig(env, flags);
  } catch (cause) {
    if (cause instanceof ConfigError) throw new UsageError(cause.message, 2, { cause });
    throw cause;
  }
}
