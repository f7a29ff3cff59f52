import { enableCompileCache } from "node:module";
import { cpuUsage, execArgv } from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * Four settings for a process that runs for weeks and does little; they count for what is loaded after them.
 *
 * Code comes compiled from a cache in the system's folder for temporary files: in a checkout few types have to be stripped
 * again (measured: 240 ms and 10 MiB).
 *
 * The nursery of V8 stays at 2 × 1 MiB. It grows by itself to 128 MiB on a large machine, and hardly ever gives that back:
 * 25 MiB with one pool, 130 MiB with ten thousand triggers. With thousands of triggers 2 MiB are better, since what lives for
 * a round is then not taken for what stays: `node --min-semi-space-size=2 --max-semi-space-size=2`, as in the image; it counts
 * before this.
 *
 * No guesses about what lives long: while thousands of triggers start, all that is read seems to, and V8 would go on putting
 * every reading straight among the old, which then have to be collected every few seconds (measured with ten thousand
 * triggers: 30 ms of CPU in a second, and 40 MiB).
 *
 * The heap grows by half of what lives before it is collected, not by up to four times that: what ten thousand ScaledWorkers
 * leave behind while they start stays for as long as the process is at rest.
 */
export function economise(): void {
  enableCompileCache();
  setFlagsFromString("--no-allocation-site-pretenuring");
  setFlagsFromString("--heap-growing-percent=50");
  if (!execArgv.some((flag) => flag.includes("semi-space"))) setFlagsFromString("--semi-space-growth-factor=1");
}

/** At rest: so long, ms, with at most this share of a core. */
const lookMs = 10_000;
const restingShare = 0.2;

/**
 * Collects, once, what starting has left behind, as soon as the process is at rest. V8 would keep it for as long as that
 * lasts, for it collects when much is asked for (measured: 17 MiB with one pool, 70 MiB with ten thousand). A stop of some
 * tens of milliseconds; with ten thousand ScaledWorkers half a second.
 */
export function tidyUp(): void {
  let before = cpuUsage();
  const looking = setInterval(() => {
    const { user, system } = cpuUsage(before);
    before = cpuUsage();
    if (user + system > restingShare * lookMs * 1000) return;
    clearInterval(looking);
    setFlagsFromString("--expose-gc");
    (runInNewContext("gc") as (how: object) => void)({ flavor: "last-resort" }); // which gives memory back, too
  }, lookMs);
  looking.unref();
}
