/** The largest object that etcd takes is 1.5 MB; anything much longer without a line end is not a watch. */
const longest = 16 * 1024 * 1024;

/**
 * Cuts a stream into lines and parses each as JSON. Throws SyntaxError at one that is not, or that has no end.
 * An unfinished last line is never handed on: half a frame is no frame.
 */
export function createJsonLines(onValue: (value: unknown) => void): (chunk: Buffer) => void {
  let rest: Buffer[] = [];
  let restLength = 0;

  return (chunk) => {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const line = chunk.subarray(from, end);
      const whole = restLength === 0 ? line : Buffer.concat([...rest, line]);
      rest = [];
      restLength = 0;
      from = end + 1;
      if (whole.length > 0) onValue(JSON.parse(whole.toString()));
    }
    if (from === chunk.length) return;
    rest.push(chunk.subarray(from));
    restLength += chunk.length - from;
    if (restLength > longest) throw new SyntaxError(`a line of more than ${longest} bytes`);
  };
}
