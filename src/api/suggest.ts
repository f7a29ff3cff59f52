/** Words of neighbouring tools, and where the same thing stands here. */
const elsewhere: Readonly<Record<string, string>> = {
  scaleTargetRef: "target",
  minReplicaCount: "replicas.min",
  minReplicas: "replicas.min",
  maxReplicaCount: "replicas.max",
  maxReplicas: "replicas.max",
  idleReplicaCount: "replicas.idle",
  pollingInterval: "every",
  cooldownPeriod: "scaleDown.cooldown",
  failureThreshold: "afterFailures",
  authenticationRef: "connection",
  password: "passwordFrom",
  scalingModifiers: "formula",
  advanced: "formula",
  start: "from",
  end: "to",
  desiredReplicas: "replicas",
  podSelector: "selector",
};

/** A hint for an unknown word: the nearest known one, where one is near enough. Never more than one. */
export function didYouMean(word: string, known: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  const same = known.find((candidate) => candidate.toLowerCase() === lower);
  if (same) return same;
  const moved = Object.hasOwn(elsewhere, word) ? elsewhere[word] : undefined;
  if (moved !== undefined && (known.includes(moved) || moved.includes("."))) return moved;
  const near = known
    .map((candidate) => ({ candidate, distance: distance(lower, candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(Math.min(word.length, candidate.length) / 3)))
    .sort((a, b) => a.distance - b.distance)[0];
  return near?.candidate ?? known.find((candidate) => candidate.toLowerCase().startsWith(lower) && lower.length >= 3);
}

/** Edits between two words: insert, delete, replace, swap of neighbours (optimal string alignment). */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 8) return 99;
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number) => rows[row]?.[column] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(replace, at(i - 1, j) + 1, at(i, j - 1) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, at(i - 2, j - 2) + 1);
      rows[i]?.push(best);
    }
  }
  return at(a.length, b.length);
}
