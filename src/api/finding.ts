/** One thing that is wrong (or odd) in a file. */
export type Finding = Readonly<{
  severity: "error" | "warning";
  /** Closed list, kebab case: "unknown-field". */
  rule: string;
  /** One sentence: the field in back-quotes, what is allowed, the value found in single quotes. No secrets. */
  message: string;
  file: string;
  /** From 1. */
  line: number;
  column: number;
  /** "spec.triggers[0].goal". */
  path?: string;
  /** "ScaledWorker default/mails". */
  document?: string;
}>;

/** A finding before its place in the file is known: where in the document it belongs. */
export type Complaint = Readonly<{
  severity?: "warning";
  rule: string;
  message: string;
  path: readonly PropertyKey[];
  /** The key itself is at fault, not its value. */
  atKey?: boolean;
}>;

/** "spec.triggers[0].goal", as people and `kubectl` write it. A key with "@" is an address in the wrong place, and hidden. */
export function pathText(path: readonly PropertyKey[]): string {
  const shown = (step: PropertyKey) => (String(step).includes("@") ? "***" : String(step));
  return path.map((step, at) => (typeof step === "number" ? `[${step}]` : `${at > 0 ? "." : ""}${shown(step)}`)).join("");
}

/** `file:line:column: error: message`, as compilers say it, so that editors can jump there. */
export function findingText({ file, line, column, severity, path, message, document }: Finding): string {
  // Most messages name the field themselves.
  const where = path === undefined || message.includes(`\`${path}\``) ? "" : `${path}: `;
  return `${file}:${line}:${column}: ${severity}: ${where}${message}${document === undefined ? "" : ` (${document})`}`;
}

export const isError = ({ severity }: Pick<Finding, "severity">): boolean => severity === "error";
