import type { Output } from "./world.ts";

/** What waits for a reader who has stopped reading (a pager, a log collector that hangs), bytes. */
const mostPending = 4 << 20;

/** Takes lines of workers. Those that nobody reads are left out and counted: kept, they would fill the memory. */
export function lineOutput(stream: Output): (line: string) => void {
  let leftOut = 0;
  return (line) => {
    if ((stream.writableLength ?? 0) > mostPending) {
      leftOut++;
      return;
    }
    if (leftOut > 0) stream.write(`… ${leftOut} lines of workers left out: nobody read them in time\n`);
    leftOut = 0;
    stream.write(`${line}\n`);
  };
}
