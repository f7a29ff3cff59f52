/** A wall clock that stands half a second before a moment until it is let go: what has to come first may take its time. */
export function clockBefore(moment: string): Readonly<{ now: () => number; go: () => void }> {
  const beginning = Date.parse(moment) - 500;
  let since: number | undefined;
  return {
    now: () => beginning + (since === undefined ? 0 : performance.now() - since),
    go() {
      since ??= performance.now();
    },
  };
}
