import { dirname } from "node:path";
import { checkDocument, checkTogether, type Declared, declare } from "./checks.ts";
import type { Api } from "./define.ts";
import { type Complaint, type Finding, pathText } from "./finding.ts";
import { complaintsOf } from "./issues.ts";
import { apiVersion, type Kind, kinds } from "./meta.ts";
import { commandText, redact } from "./redact.ts";
import { type QueueConnection, resolveConnection, resolveWorker, type ScaledWorker } from "./resolve.ts";
import { didYouMean } from "./suggest.ts";
import { readYaml, type Source } from "./yaml.ts";

/** Largest file that is read, characters. */
const maxSize = 1024 * 1024;

export type ParseOptions = Readonly<{
  api: Api;
  /** Name of the file, for messages. */
  file: string;
  /** What relative paths in the file count from. Default: the folder of `file`. */
  folder?: string;
}>;

/** What stands in a file. Documents with an error are in `findings` only; take nothing from it while there is one. */
export type Parsed = Readonly<{
  workers: readonly ScaledWorker[];
  connections: readonly QueueConnection[];
  /** By file, line and column. */
  findings: readonly Finding[];
}>;

/** All documents of one file, and all that is wrong with it. Never throws for what stands in the file. */
export function parseDocuments(text: string, options: ParseOptions): Parsed {
  return parseFiles(
    [{ file: options.file, text, ...(options.folder === undefined ? {} : { folder: options.folder }) }],
    options.api,
  );
}

/** The same over several files, which may refer to each other. */
export function parseFiles(files: readonly Readonly<{ file: string; text: string; folder?: string }>[], api: Api): Parsed {
  const entries = files.flatMap((file) => readFile(file, api));
  const together = checkTogether(
    entries.flatMap(({ declared }) => declared ?? []),
    api.scalers,
  );
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
  source?: Source;
  declared?: Declared;
  worker?: ScaledWorker;
  connection?: QueueConnection;
  findings: readonly Finding[];
}>;

function readFile({ file, text, folder }: Readonly<{ file: string; text: string; folder?: string }>, api: Api): readonly Entry[] {
  const whole = (rule: string, message: string): Entry[] => [
    { file, findings: [{ severity: "error", rule, message, file, line: 1, column: 1 }] },
  ];
  if (text.length > maxSize) return whole("file-size", `the file must not be larger than 1 MiB; found ${text.length} characters`);
  const sources = readYaml(text);
  if (sources.length === 0)
    return whole("empty-file", "the file must hold at least one document (ScaledWorker or QueueConnection); found none");
  return sources.map((source) => readDocument(source, file, folder ?? dirname(file), api));
}

function readDocument(source: Source, file: string, folder: string, api: Api): Entry {
  if (source.errors.length > 0) return { file, findings: source.errors.map((error) => ({ severity: "error", file, ...error })) };
  const kind = kindOf(source.value);
  if (typeof kind !== "string") return { file, source, findings: [toFinding(kind, { file, source })] };
  const declared = declare(kind, source.value);
  const place = { file, source, ...(declared ? { declared } : {}) };
  const parsed = kind === "ScaledWorker" ? api.scaledWorker.safeParse(source.value) : api.queueConnection.safeParse(source.value);
  const wrong = parsed.success
    ? []
    : complaintsOf(parsed.error.issues, { schema: api.json[kind], value: source.value, source: source.text });
  const told = new Set(wrong.map(({ path }) => pathText(path)));
  const checks = checkDocument(kind, source.value, api.scalers).filter(({ path }) => !told.has(pathText(path)));
  const findings = [...wrong, ...checks].map((complaint) => toFinding(complaint, place));
  if (findings.length > 0 || !parsed.success) return { ...place, findings };
  return { ...place, findings, ...resolved(parsed.data, api, folder) };
}

type AnyDocument = ReturnType<Api["scaledWorker"]["parse"]> | ReturnType<Api["queueConnection"]["parse"]>;

function resolved(document: AnyDocument, api: Api, folder: string): Pick<Entry, "worker" | "connection"> {
  if (document.kind === "ScaledWorker") return { worker: resolveWorker(document, api.scalers, folder) };
  const [type, settings] = Object.entries(document.spec)[0] ?? [];
  return type === undefined ? {} : { connection: resolveConnection(document.metadata, type, settings) };
}

/** The kind of a document, or what is wrong with its `apiVersion` or `kind`. */
function kindOf(value: unknown): Kind | Complaint {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { rule: "wrong-type", message: "a document must be a map with `apiVersion`, `kind`, `metadata` and `spec`", path: [] };
  }
  const { apiVersion: version, kind } = value as Readonly<Record<string, unknown>>;
  const known = kinds.find((one) => one === kind);
  if (!known) {
    const hint = typeof kind === "string" ? didYouMean(kind, kinds) : undefined;
    const must = `\`kind\` must be one of ${kinds.map((one) => `'${one}'`).join(", ")}`;
    const found = kind === undefined ? "; it is missing" : `; found '${shown(kind)}'${hint ? `: did you mean '${hint}'?` : ""}`;
    return { rule: "unknown-kind", message: must + found, path: ["kind"] };
  }
  if (version !== apiVersion) {
    const found = version === undefined ? "it is missing" : `found '${shown(version)}'`;
    return { rule: "unknown-api-version", message: `\`apiVersion\` must be '${apiVersion}'; ${found}`, path: ["apiVersion"] };
  }
  return known;
}

const shown = (value: unknown) => commandText(String(value).split(" "), 60);

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
