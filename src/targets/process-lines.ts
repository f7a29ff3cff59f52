import { StringDecoder } from "node:string_decoder";

/** Cuts a stream of bytes into lines. */
export type LineSplitter = Readonly<{
  push(bytes: Buffer): void;
  /** Hands on a last line that has no end. */
  end(): void;
}>;

/** What is shown of a line: a worker that never ends its line floods no terminal. */
const SHOWN_CHARS = 16 * 1024;
/** More of it is looked at, so that a secret across the cut is seen whole. No secret is longer. */
const SECRET_CHARS = 4 * 1024;
const KEPT_CHARS = SHOWN_CHARS + SECRET_CHARS;

/**
 * Characters of several bytes may be cut anywhere between two pushes. `\r\n` ends a line as `\n` does. Of a line that is
 * too long the rest is dropped as it comes: it costs no memory.
 */
export function createLineSplitter(line: (text: string) => void): LineSplitter {
  const decoder = new StringDecoder("utf8");
  let rest = "";

  const take = (text: string): void => {
    const lines = text.split("\n");
    const last = lines.pop() ?? "";
    for (const part of lines) {
      keep(part);
      line(rest.endsWith("\r") ? rest.slice(0, -1) : rest);
      rest = "";
    }
    keep(last);
  };

  /** One character more than is looked at says that it was longer. */
  const keep = (text: string): void => {
    if (rest.length <= KEPT_CHARS) rest += text.slice(0, KEPT_CHARS + 1 - rest.length);
  };

  return {
    push: (bytes) => take(decoder.write(bytes)),
    end: () => {
      take(decoder.end());
      if (rest !== "") line(rest);
      rest = "";
    },
  };
}

/** A line of a worker as it may be shown: without secrets, without anything that a terminal would obey, and cut where it is too long. */
export function shownLine(line: string, redact: (text: string) => string): string {
  const cut = line.length > KEPT_CHARS;
  const shown = clean(line, redact);
  if (!cut && shown.length <= SHOWN_CHARS) return shown;
  // Where the line itself was cut, half a secret may be at the end, which nothing recognizes.
  const length = cut ? Math.min(SHOWN_CHARS, Math.max(0, shown.length - SECRET_CHARS)) : SHOWN_CHARS;
  return `${shown.slice(0, length)} … (cut)`;
}

/** The last line that says anything, of the end of a log: at most 200 characters. `whole` where the text begins with the log. */
export function lastLineOf(text: string, whole: boolean, redact: (text: string) => string): string | undefined {
  const lines = text.split(/[\r\n]+/).map((line) => clean(line, redact).replaceAll("\t", " ").trim());
  const at = lines.findLastIndex((line) => line !== "");
  // A text that begins in mid-line may begin with half a secret, which nothing recognizes: its end says more anyway.
  if (at === 0 && !whole) return `…${lines[at]?.slice(SECRET_CHARS).slice(-199)}`;
  const last = lines[at];
  return last === undefined || last.length <= 200 ? last : `${last.slice(0, 199)}…`;
}

/** Secrets are looked for as the worker wrote them, and again as a person would read them. */
function clean(line: string, redact: (text: string) => string): string {
  const hidden = redact(line);
  const plain = withoutControls(hidden);
  return plain === hidden ? plain : redact(plain);
}

/** Colours, titles and the like (ECMA-48), then what is left of control characters. Tabs stay. */
function withoutControls(line: string): string {
  return (
    line
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out.
      .replaceAll(/(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]/g, "")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
      .replaceAll(/(?:\u001b[\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)/g, "")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
      .replaceAll(/\u001b[ -/]*[0-~]/g, "")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
      .replaceAll(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, "")
  );
}
