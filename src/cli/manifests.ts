import { stringify } from "yaml";
import { z } from "zod";
import { scalers } from "../../scalers/index.ts";
import { crdPages } from "../api/crd.ts";
import { defineApi } from "../api/define.ts";
import { brokers } from "../brokers/brokers.ts";
import { install } from "../install/install.ts";
import type { InstallOptions, Manifest, SecretAccess } from "../install/manifest.ts";
import { monitoring } from "../install/monitoring.ts";
import { UsageError } from "./usage-error.ts";
import type { World } from "./world.ts";

const manifestParts = ["install", "crds", "monitoring"] as const;
export type ManifestPart = (typeof manifestParts)[number];

export type ManifestFlags = Readonly<{
  scope: string;
  namespace: string;
  namespaces?: string;
  image?: string;
  replicas: string;
  secrets: string;
  webhook: boolean;
  crds: boolean;
}>;

const label = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
const list = (item: z.ZodString) =>
  z
    .string()
    .transform((text) => text.split(","))
    .pipe(z.array(item));

/** Each flag: what it must be, and its schema. */
const flagRules = {
  scope: { must: "'cluster' or 'namespaced'", schema: z.enum(["cluster", "namespaced"]) },
  namespace: { must: "the name of a namespace such as 'worktide-system'", schema: label },
  namespaces: { must: "names of namespaces with commas between, such as 'shop,mail'", schema: list(label).optional() },
  image: {
    must: "the image of the controller, such as 'example.org/worktide:1.2.3'",
    schema: z
      .string()
      .regex(/^[^\s]+$/)
      .optional(),
  },
  replicas: {
    must: "a whole number from 1 to 5",
    schema: z
      .string()
      .regex(/^[1-5]$/)
      .transform(Number),
  },
  secrets: {
    must: "'none', 'all', or names with commas between, such as 'redis,rabbitmq'",
    schema: z.union([z.enum(["none", "all"]), list(z.string().regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/))]),
  },
} as const;

type Parsed = { [Name in keyof typeof flagRules]: z.output<(typeof flagRules)[Name]["schema"]> };

/** Prints the objects of an install, for `kubectl apply -f -`. */
export async function manifestsCommand(part: string, flags: ManifestFlags, world: World): Promise<number> {
  if (!(manifestParts as readonly string[]).includes(part)) {
    throw new UsageError(`what to print must be one of '${manifestParts.join("', '")}'; found '${part}'`, 2);
  }
  const options = readFlags(flags, world);
  const documents = documentsOf(part as ManifestPart, options, flags.crds);
  world.stdout.write(`# Worktide ${world.version}: ${title(part as ManifestPart, options)}\n${documents.join("---\n")}`);
  return 0;
}

function readFlags(flags: ManifestFlags, { version }: World): InstallOptions {
  const wrong: string[] = [];
  const entries = Object.entries(flagRules).map(([name, { must, schema }]) => {
    const found = flags[name as keyof Parsed];
    const parsed = schema.safeParse(found);
    if (!parsed.success) wrong.push(`--${name} must be ${must}; found '${found}'`);
    return [name, parsed.data] as const;
  });
  const { namespaces, ...parsed } = Object.fromEntries(entries) as Parsed;
  if (namespaces !== undefined && parsed.scope === "cluster") {
    wrong.push("--namespaces must not be given with --scope cluster, which serves all; add --scope namespaced");
  }
  if (wrong.length > 0) throw new UsageError(wrong.join("\n"), 2);
  return {
    ...parsed,
    image: parsed.image ?? `worktide:${version}`,
    secrets: parsed.secrets satisfies SecretAccess,
    namespaces: parsed.scope === "cluster" ? [] : (namespaces ?? [parsed.namespace]),
    webhook: flags.webhook && parsed.scope === "cluster",
    version,
  };
}

/** Each as YAML. */
function documentsOf(part: ManifestPart, options: InstallOptions, crds: boolean): readonly string[] {
  if (part === "monitoring") return monitoring(options).map(toYaml);
  const definitions = crds || part === "crds" ? crdPages(defineApi(scalers, brokers)).map(({ text }) => text) : [];
  return part === "crds" ? definitions : [...definitions, ...install(options).map(toYaml)];
}

const toYaml = (object: Manifest) => stringify(object, { aliasDuplicateObjects: false, lineWidth: 0 });

function title(part: ManifestPart, { scope, namespaces, namespace, replicas }: InstallOptions): string {
  if (part === "crds") return "its custom resource definitions.";
  if (part === "monitoring") return "ServiceMonitor, PrometheusRule and dashboard.";
  const served = scope === "cluster" ? "all namespaces" : namespaces.join(", ");
  return `${replicas === 1 ? "one replica" : `${replicas} replicas`} in ${namespace}, for ${served}.`;
}
