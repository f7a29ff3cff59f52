const tones: Readonly<Record<string, string>> = {
  fatal: "\u001b[31;1m",
  error: "\u001b[31m",
  warn: "\u001b[33m",
  info: "\u001b[32m",
  debug: "\u001b[36m",
  trace: "\u001b[2m",
};
const dim = "\u001b[2m";
const off = "\u001b[0m";

/** Told by the prefix of the line, not repeated among the fields. */
const placed = new Set(["level", "time", "msg", "err"]);

/**
 * One JSON log line for a person at a terminal: `12:04:31 info  scaled worker=mails from=4 to=9`, an error's chain of
 * causes on lines of its own. A line that is no JSON object is passed on as it is.
 */
export function prettyLine(line: string, color: boolean): string {
  const fields = parse(line);
  if (fields === undefined) return line;
  const paint = (tone: string, text: string) => (color ? tone + text + off : text);
  const level = String(fields["level"] ?? "info");
  const head = [
    paint(dim, clockTime(fields["time"])),
    paint(tones[level] ?? "", level.padEnd(5)),
    clean(String(fields["msg"] ?? "")),
  ];
  for (const [key, value] of Object.entries(fields)) {
    if (!placed.has(key)) head.push(`${paint(dim, `${key}=`)}${plain(value)}`);
  }
  return `${head.join(" ")}\n${causes(fields["err"])}`;
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Local time of day: the date is known to who looks. */
function clockTime(time: unknown): string {
  const date = new Date(String(time));
  return Number.isNaN(date.getTime()) ? "--:--:--" : date.toTimeString().slice(0, 8);
}

function plain(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /^[^\s"=]+$/.test(text) ? clean(text) : clean(JSON.stringify(value));
}

/** Control characters of a queue's name or a worker's output must not steer the terminal. */
function clean(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** pino writes an error as type, message (with its causes' messages) and stack. */
function causes(err: unknown): string {
  if (typeof err !== "object" || err === null) return "";
  const { message, stack } = err as { message?: unknown; stack?: unknown };
  const text = typeof stack === "string" ? stack : String(message ?? "");
  return text
    .split("\n")
    .map((part) => `    ${clean(part.trim())}\n`)
    .join("");
}
