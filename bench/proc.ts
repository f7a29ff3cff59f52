import { readdirSync, readFileSync } from "node:fs";

/** What the kernel (Linux) knows of a process: asked from outside, so that asking costs the process nothing. */
export type Usage = Readonly<{
  /** CPU time of all of its threads, those of garbage collection among them, ms. */
  cpuMs: number;
  /** Resident set, MiB. */
  rssMiB: number;
  /** The part of it that belongs to no file: heaps, buffers, stacks. */
  anonMiB: number;
}>;

export function usageOf(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return { cpuMs: cpuMsOf(pid), rssMiB: mib(status, "VmRSS"), anonMiB: mib(status, "RssAnon") };
}

/** In ns of run time per thread: `/proc/PID/stat` counts in steps of 10 ms. */
function cpuMsOf(pid: number): number {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
    } catch {
      // A thread that ended between the two looks.
    }
  }
  return ns / 1e6;
}

function mib(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? Number.NaN) / 1024;
}
