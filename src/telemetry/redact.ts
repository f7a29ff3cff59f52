import { redact as withoutLogins } from "../api/redact.ts";

/** Takes secrets out of text. One of these serves every output: logs, history, metrics, API, error pages. */
export type Redactor = Readonly<{
  /**
   * Remembers a secret value: it occurs in no text that passes {@link redact} from now on, neither as it is nor as
   * JSON or a URL would write it. Values of fewer than 4 characters are not kept, since hiding them would garble
   * ordinary words; inside a URL they are hidden all the same. Of a URL its password is kept too. A rotated secret stays hidden.
   */
  keepSecret(value: string): void;
  redact(text: string): string;
  /** The same for the text of a JSON value: only inside of its strings, so that it stays JSON whatever a secret looks like. */
  redactJson(json: string): string;
}>;

const hidden = "***";
const shortest = 4;
/** More secrets than any configuration has; past it the oldest are forgotten, so that rotation cannot fill memory. */
const most = 10_000;

/** A redactor that knows no secret yet. The process has one, {@link redactor}; tests make their own. */
export function createRedactor(): Redactor {
  const secrets = new Map<string, readonly string[]>();
  let known: RegExp | undefined;

  function rebuild(): void {
    const spellings = [...new Set([...secrets.values()].flat())];
    // Longest first: a secret that begins with another one must not leave its tail behind.
    spellings.sort((a, b) => b.length - a.length);
    known = new RegExp(spellings.map((spelling) => spelling.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"), "g");
  }

  function keep(value: string): void {
    if (value.length < shortest || secrets.has(value)) return;
    const oldest = secrets.size >= most ? secrets.keys().next().value : undefined;
    if (oldest !== undefined) secrets.delete(oldest);
    secrets.set(value, spellingsOf(value));
    rebuild();
  }

  const redact = (text: string) => withoutLogins(known === undefined ? text : text.replace(known, hidden));

  return {
    keepSecret(value) {
      const password = passwordOf(value);
      if (password !== undefined) keep(password);
      keep(value);
    },
    redact,
    redactJson(json) {
      // Nearly every text is clean: it is looked through once, and taken apart only when something was found.
      return redact(json) === json ? json : JSON.stringify(scrubbed(JSON.parse(json), redact));
    },
  };
}

/** The password of a URL that is a secret as a whole, its scheme forgotten or misspelt too: an error may tell of it alone. */
function passwordOf(value: string): string | undefined {
  const raw = /^(?:[a-z][a-z0-9+.-]*:\/+)?[^:@/]*:(.+)@/i.exec(value)?.[1];
  try {
    return raw && decodeURIComponent(raw);
  } catch {
    return raw;
  }
}

function scrubbed(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return value.map((each) => scrubbed(each, redact));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [redact(key), scrubbed(each, redact)]));
}

/** As it is, as JSON writes it, as a URL writes it. */
function spellingsOf(value: string): readonly string[] {
  const well = value.isWellFormed() ? value : value.toWellFormed();
  return [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(well), encodeURI(well)];
}

/** The one redactor of this process: a secret that any part of it resolves is hidden in all outputs. */
export const redactor: Redactor = createRedactor();
/** Registers a secret with the redactor of this process. */
export const keepSecret = (value: string): void => redactor.keepSecret(value);
