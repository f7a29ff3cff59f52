import { dirname } from "node:path";
import { checkTogether, type Declared, declare } from "./check-together.ts";
import type { Api } from "./define.ts";
import { read } from "./document.ts";
import type { Place } from "./fields.ts";
import { type Complaint, type Finding, pathText } from "./finding.ts";
import type { Kind } from "./meta.ts";
import { checkNeighbours } from "./neighbours.ts";
import { placeOf } from "./places.ts";
import { redact } from "./redact.ts";
import type { QueueConnection, ScaledWorker } from "./resolve.ts";
import { readYaml, type Source } from "./yaml.ts";

/** Largest file that is read, characters. */
const maxSize = 1024 * 1024;

export type ParseOptions = Readonly<{
  api: Api;
  /** Name of the file, for messages. */
  file: string;
  /** What relative paths in the file count from. Default: the folder of `file`. */
  folder?: string;
  /** Where the documents are put to work. Default: where their targets can. */
  place?: Place;
}>;

/** What stands in a file. Documents with an error are in `findings` only; take nothing from it while there is one. */
export type Parsed = Readonly<{
  workers: readonly ScaledWorker[];
  connections: readonly QueueConnection[];
  /** By file, line and column. */
  findings: readonly Finding[];
}>;

/** All documents of one file, and all that is wrong with it. Never throws for what stands in the file. */
export function parseDocuments(text: string, { file, folder, api, place }: ParseOptions): Parsed {
  return parseFiles([{ file, text, ...(folder === undefined ? {} : { folder }) }], api, place);
}

type File = Readonly<{ file: string; text: string; folder?: string }>;

/** The same over several files, which may refer to each other. */
function parseFiles(files: readonly File[], api: Api, wanted?: Place): Parsed {
  const sources = files.map((file) => ({ file, sources: file.text.length > maxSize ? [] : readYaml(file.text) }));
  const place = wanted ?? placeOf(sources.flatMap((each) => each.sources.map(({ value }) => value)));
  const entries = sources.flatMap((each) => readFile(each.file, each.sources, api, place));
  const declared = entries.flatMap((entry) => entry.declared ?? []);
  const foreign = entries.flatMap((entry) => (entry.kind === undefined && entry.source ? [entry.source.value] : []));
  const together = [...checkTogether(declared, api.scalers, place), ...checkNeighbours(declared, foreign)];
  const findings = entries.flatMap((entry) => [
    ...entry.findings,
    ...together
      .filter(({ of }) => of === entry.declared)
      .map((complaint) => toFinding(complaint, entry))
      .filter(({ path }) => !entry.findings.some((told) => told.path === path)),
  ]);
  const bad = new Set(findings.filter(({ severity }) => severity === "error").map(({ file, document }) => `${file} ${document}`));
  const good = entries.filter(({ file, declared }) => !bad.has(`${file} ${declared?.title}`));
  return {
    workers: good.flatMap(({ worker }) => worker ?? []),
    connections: good.flatMap(({ connection }) => connection ?? []),
    findings: findings.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column),
  };
}

/** One document, as far as it could be read. */
type Entry = Readonly<{
  file: string;
  /** Absent where it is none of ours, or cannot be read. */
  kind?: Kind;
  source?: Source;
  declared?: Declared;
  worker?: ScaledWorker;
  connection?: QueueConnection;
  findings: readonly Finding[];
}>;

function readFile({ file, text, folder }: File, sources: readonly Source[], api: Api, place: Place): readonly Entry[] {
  const whole = (rule: string, message: string): Entry[] => [
    { file, findings: [{ severity: "error", rule, message, file, line: 1, column: 1 }] },
  ];
  if (text.length > maxSize) return whole("file-size", `the file must not be larger than 1 MiB; found ${text.length} characters`);
  if (sources.length === 0)
    return whole("empty-file", "the file must hold at least one document (ScaledWorker or QueueConnection); found none");
  return sources.map((source) => readDocument(source, file, { api, place, folder: folder ?? dirname(file) }));
}

function readDocument(source: Source, file: string, options: Readonly<{ api: Api; place: Place; folder: string }>): Entry {
  if (source.errors.length > 0) return { file, findings: source.errors.map((error) => ({ severity: "error", file, ...error })) };
  const { kind, complaints, ...resolved } = read(source.value, { ...options, text: source.text });
  const declared = kind && declare(kind, source.value);
  const entry = { file, source, ...(kind ? { kind } : {}), ...(declared ? { declared } : {}) };
  return { ...entry, ...resolved, findings: complaints.map((complaint) => toFinding(complaint, entry)) };
}

function toFinding(complaint: Complaint, { file, source, declared }: Omit<Entry, "findings">): Finding {
  const place = source?.place(complaint.path, complaint.atKey) ?? { line: 1, column: 1 };
  return {
    severity: complaint.severity ?? "error",
    rule: complaint.rule,
    message: redact(complaint.message), // every message again, whoever wrote it
    file,
    line: place.line,
    column: place.column,
    ...(complaint.path.length > 0 ? { path: pathText(complaint.path) } : {}),
    ...(declared ? { document: declared.title } : {}),
  };
}
