import { readdirSync, readFileSync } from "node:fs";

const cell = new Int32Array(new SharedArrayBuffer(4));
const mostMs = 5000;

/**
 * SIGSTOP: the kernel still acknowledges, nothing answers. It reaches the threads of a process one after the other, and an
 * API server may answer a last question meanwhile: returns once all of them have stopped.
 */
export function freeze(pid: number | undefined): void {
  if (pid === undefined) return; // it has never begun
  try {
    process.kill(pid, "SIGSTOP");
    const until = performance.now() + mostMs;
    while (!hasStopped(pid) && performance.now() < until) Atomics.wait(cell, 0, 0, 1);
  } catch {
    // It has gone: what every caller wants to be sure of.
  }
}

/** Elsewhere than on Linux nobody tells. */
function hasStopped(pid: number): boolean {
  if (process.platform !== "linux") return true;
  const threads = `/proc/${pid}/task`;
  return readdirSync(threads).every((thread) => {
    try {
      return /\) [TtZX] [^)]*$/.test(readFileSync(`${threads}/${thread}/stat`, "utf8"));
    } catch {
      return true; // it has ended
    }
  });
}
