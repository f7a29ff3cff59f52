import { closeSync, openSync, readSync } from "node:fs";

/** Reads a file that grows line by line: each call gives all lines so far, and reads only what is new. */
export function tail<Row>(path: string, parse: (text: string) => readonly Row[]): () => readonly Row[] {
  const rows: Row[] = [];
  let offset = 0;
  const chunk = Buffer.alloc(1 << 20);
  return () => {
    const file = openSync(path, "r");
    try {
      for (let read = 1; read > 0; ) {
        read = readSync(file, chunk, 0, chunk.length, offset);
        const whole = chunk.subarray(0, read).lastIndexOf(10) + 1;
        if (whole === 0) break;
        rows.push(...parse(chunk.toString("utf8", 0, whole)));
        offset += whole;
      }
    } finally {
      closeSync(file);
    }
    return rows;
  };
}
