/** One alert: when it fires, what it says, and what whoever is called does about it. */
export type Alert = Readonly<{
  name: string;
  severity: "critical" | "warning" | "info";
  expr: string;
  /** For how long the expression must hold. */
  for: string;
  summary: string;
  description: string;
  /** Steps, the likeliest cause first: Markdown, one item each. */
  runbook: readonly string[];
}>;
