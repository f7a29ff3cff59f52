import {
  type Labels,
  label,
  type MetricsConnection,
  type MetricsTrigger,
  type MetricsWorker,
  type Prepared,
  type Shown,
} from "./metrics-state.ts";
import { type MetricEntry, type MetricKey, metricTable } from "./metrics-table.ts";

/** One series, in the form that the registry writes: `sharedLabels` of one identity are turned into text once. */
export type Row = Readonly<{ value: number; labels: Labels; sharedLabels: Labels }>;

/** Tells one value of what is shown; labels of its own come on top of the shared ones: the same object for the same labels. */
type Put = (value: number | undefined, labels?: Labels) => void;

const none: Labels = {};
const nameless: Labels = { target: "", mode: "" };
const conditionLabels = sameLabels((condition, status) => ({ condition, status: status.toLowerCase() }));
const ruleLabels = sameLabels((rule, reason) => ({ rule, reason }));
const scalerLabels = sameLabels((scaler) => ({ scaler }));
const statuses = ["True", "False", "Unknown"] as const;
const seconds = (iso: string | undefined) => (iso === undefined ? undefined : Date.parse(iso) / 1000);

/** How each gauge of a worker is filled. Something past the cap has no labels that would tell it apart. */
const ofWorkers = {
  workerInfo: ({ it, own }, put) => put(1, own ? { target: label(it.target), mode: it.mode } : nameless),
  minReplicas: ({ it }, put) => put(it.min),
  maxReplicas: ({ it }, put) => put(it.max),
  currentReplicas: ({ it }, put) => put(it.pool?.existing),
  wantedReplicas: ({ it }, put) => put(it.pool?.wanted),
  readyReplicas: ({ it }, put) => put(it.pool?.ready),
  leavingReplicas: ({ it }, put) => put(it.pool?.leaving),
  desiredReplicas: ({ it }, put) => put(it.decision?.to),
  busyWorkers: ({ it }, put) => put(it.busy),
  condition: ({ it }, put) => {
    for (const { type, status } of it.conditions) {
      for (const each of statuses) put(each === status ? 1 : 0, conditionLabels(type, each));
    }
  },
  paused: ({ it }, put) => put(it.conditions.some(({ type, status }) => type === "Paused" && status === "True") ? 1 : 0),
  lastScale: ({ it }, put) => put(seconds(it.lastChange?.at)),
  rule: ({ it: { decision } }, put) => put(decision && 1, decision && ruleLabels(decision.rule, decision.reason)),
} satisfies Partial<Record<MetricKey, (shown: Shown<MetricsWorker>, put: Put) => void>>;

const ofTriggers = {
  triggerInfo: ({ it }, put) => put(1, scalerLabels(it.type, "")),
  waiting: ({ it }, put) => put(it.waiting),
  dueSoon: ({ it }, put) => put(it.dueSoon),
  running: ({ it }, put) => put(it.running),
  reserved: ({ it }, put) => put(it.reserved),
  oldest: ({ it }, put) => put(seconds(it.oldestAt)),
  waitTarget: ({ it }, put) => put(it.waitTargetMs === undefined ? undefined : it.waitTargetMs / 1000),
  wanted: ({ it }, put) => put(it.wants),
  readAt: ({ it }, put) => put(seconds(it.readAt)),
  sampledAt: ({ it }, put) => put(seconds(it.sampledAt)),
} satisfies Partial<Record<MetricKey, (shown: Shown<MetricsTrigger>, put: Put) => void>>;

const ofConnections = {
  connectionUp: ({ it }, put) => put(it.up ? 1 : 0),
  connectionTriggers: ({ it }, put) => put(it.triggers),
} satisfies Partial<Record<MetricKey, (shown: Shown<MetricsConnection>, put: Put) => void>>;

type Rows = (prepared: Prepared) => readonly Row[];

/** How each gauge that is taken at the moment of a scrape is filled. */
export const gaugeRows: readonly Readonly<{ entry: MetricEntry; rows: Rows }>[] = [
  ...Object.entries(ofWorkers).map(([key, tell]) => gauge(key as MetricKey, ({ workers }) => workers, tell)),
  ...Object.entries(ofTriggers).map(([key, tell]) => gauge(key as MetricKey, ({ triggers }) => triggers, tell)),
  ...Object.entries(ofConnections).map(([key, tell]) => gauge(key as MetricKey, ({ connections }) => connections, tell)),
  { entry: metricTable.leader, rows: leaderRows },
  { entry: metricTable.folded, rows: foldedRows },
];

function gauge<T>(key: MetricKey, from: (prepared: Prepared) => readonly Shown<T>[], tell: (shown: Shown<T>, put: Put) => void) {
  const entry: MetricEntry = metricTable[key];
  return { entry, rows: (prepared: Prepared) => rowsOf(from(prepared), entry.fold, tell) };
}

/** A row per value; values of the tail that have all labels in common are put together. What is not known has no row. */
function rowsOf<T>(all: readonly Shown<T>[], how: MetricEntry["fold"], tell: (shown: Shown<T>, put: Put) => void): Row[] {
  const rows: Row[] = [];
  const places = new Map<Labels, Map<Labels, number>>();
  for (const shown of all) {
    const sharedLabels = shown.labels;
    tell(shown, (value, labels = none) => {
      if (value === undefined || Number.isNaN(value)) return;
      if (shown.own) {
        rows.push({ value, labels, sharedLabels });
        return;
      }
      const ofBucket = places.get(sharedLabels) ?? new Map<Labels, number>();
      places.set(sharedLabels, ofBucket);
      const place = ofBucket.get(labels);
      const before = place === undefined ? undefined : rows[place];
      if (place !== undefined && before !== undefined) rows[place] = { ...before, value: together(how, before.value, value) };
      else ofBucket.set(labels, rows.push({ value, labels, sharedLabels }) - 1);
    });
  }
  return rows;
}

function together(how: MetricEntry["fold"], a: number, b: number): number {
  if (how === "min") return Math.min(a, b);
  if (how === "max") return Math.max(a, b);
  return a + b;
}

function leaderRows({ leading }: Prepared): readonly Row[] {
  return leading === undefined ? [] : [{ labels: none, value: leading ? 1 : 0, sharedLabels: none }];
}

function foldedRows({ workers, triggers, connections }: Prepared): readonly Row[] {
  const past = (all: readonly Shown<unknown>[]) => all.reduce((count, { own }) => count + (own ? 0 : 1), 0);
  return [
    { labels: { kind: "scaledworker" }, value: past(workers), sharedLabels: none },
    { labels: { kind: "trigger" }, value: past(triggers), sharedLabels: none },
    { labels: { kind: "connection" }, value: past(connections), sharedLabels: none },
  ];
}

/** Labels from closed lists, one object for each pair of values, so that the tail is put together without making keys. */
function sameLabels(make: (a: string, b: string) => Labels): (a: string, b: string) => Labels {
  const made = new Map<string, Map<string, Labels>>();
  return (a, b) => {
    const ofA = made.get(a) ?? new Map<string, Labels>();
    made.set(a, ofA);
    const labels = ofA.get(b) ?? make(a, b);
    ofA.set(b, labels);
    return labels;
  };
}
