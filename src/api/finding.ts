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

/** One line for the terminal: "worktide.yaml:12:9: error: …". */
export function findingText(finding: Finding): string {
  return `${finding.file}:${finding.line}:${finding.column}: ${finding.severity}: ${finding.message}`;
}
