const hidden = "***";

/** Credentials that came as parameters: `?password=x`, `&token=x`. */
const parameter = /([?&;](?:password|passwd|pass|token|secret|api[-_]?key|access[-_]?key)=)[^&;\s"'<>]+/gi;

/**
 * Takes user and password out of every address in a text, so that it can be shown: with a scheme, without one, or with
 * one misspelt ("u:password@host"); and what its parameters carry. `name@host` without a colon is no login and stays.
 * Secrets that are known as such are a matter of the telemetry's redactor, which does this too.
 */
export function redact(text: string): string {
  const plain = text.includes("@") ? text.replace(/[^\s'"`<>]+/g, withoutLogin) : text;
  return plain.includes("=") ? plain.replace(parameter, `$1${hidden}`) : plain;
}

/** Up to the last "@": passwords may hold "/", ":" and "@" that nobody escaped. */
function withoutLogin(word: string): string {
  const at = word.lastIndexOf("@");
  const login = word.slice(0, Math.max(0, at));
  if (!login.includes(":")) return word;
  const scheme = /[a-z][a-z0-9+.-]{0,30}:\/\//i.exec(login);
  const before = login.slice(0, scheme?.index ?? 0);
  return `${/[:@]/.test(before) ? "" : before}${scheme?.[0] ?? ""}${hidden}${word.slice(at)}`;
}

/** A name of a secret, of flags and variables alike. Its length is bounded to keep the match linear. */
const secretName = "(?:pass|pwd|secret|token|credential|auth|key|dsn)[\\w.-]{0,60}";
/** `--password=x`, `TOKEN: x`, `{"apiKey":"x"}`, `?key=x`. */
const named = new RegExp(`${secretName}["']?\\s*[=:]\\s*`, "i");
/** `--password x` within one argument: a script for a shell. */
const spaced = new RegExp(`(?:^|\\s)--?[\\w.-]{0,60}${secretName}\\s+(?=\\S)`, "i");
/** `--password`, whose value is the next argument; `-p` and `-a` carry one in many programs. */
const flag = new RegExp(`^--?[\\w.-]{0,60}${secretName}$`, "i");
const takesSecret = (word: string | undefined) => word !== undefined && (word === "-p" || word === "-a" || flag.test(word));

/**
 * A command as people may see it: at most `longest` characters, without control characters, and without what may be a
 * secret among its arguments. Rather hides too much: after something that looks like one, the rest of its argument goes.
 */
export function commandText(command: readonly string[], longest: number): string {
  const words = command.map((word, at) => (takesSecret(command[at - 1]) ? hidden : withoutSecret(word)));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out.
  const text = words.join(" ").replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}

function withoutSecret(word: string): string {
  const ends = [named, spaced].map((pattern) => {
    const found = pattern.exec(word);
    return found ? found.index + found[0].length : word.length;
  });
  const end = Math.min(...ends);
  if (end < word.length) return `${withoutLogin(word.slice(0, end))}${hidden}`;
  return /^-p./.test(word) ? `-p${hidden}` : withoutLogin(word);
}

/** Whether a value at this path may be a secret, or stand where one belongs, and must not be shown. */
export function isSensitive(path: readonly PropertyKey[]): boolean {
  const words = path.map(String);
  if (words.some((word) => /pass|secret|token|credential|From$/i.test(word))) return true;
  return words.includes("env") && words.includes("process"); // programs take credentials from their environment
}

/** Whether a path leads into the settings of a connection: passwords slip into any of them. */
export function isSetting(kind: unknown, path: readonly PropertyKey[]): boolean {
  return path[0] === "spec" && (kind === "QueueConnection" || (path[1] === "triggers" && path[3] === "inline"));
}

/** Whether a URL carries a password; rather once too often than once too few. */
export function hasPassword(url: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\/[^@]*:[^@]*@/i.test(url);
}
