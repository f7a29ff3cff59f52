import { createPrivateKey } from "node:crypto";
import { z } from "zod";
import { cel, complain, text } from "../api/fields.ts";
import { secretReference } from "../api/secrets.ts";
import { BrokerError } from "../core/contract.ts";
import { hostPort } from "./host-port.ts";

/** `shop-prod`, or with a domain in front, as old projects have it: `example.com:shop`. */
const projectId = /^([a-z0-9.-]{1,63}:)?[a-z][a-z0-9-]{2,61}[a-z0-9]$/;

const noCredential = "must not stand beside `emulator`, which takes no credential";

/** What a QueueConnection says of Pub/Sub. Secrets are references. */
export const pubSubSettings = z
  .strictObject({
    project: z
      .string()
      .max(128)
      .regex(projectId)
      .meta({ must: "must be the id of a Google Cloud project, such as 'shop-prod'" })
      .describe("Id of the Google Cloud project that the subscriptions are in. Example: `shop-prod`."),
    credentialsFrom: secretReference()
      .optional()
      .describe(
        "Key file (JSON) of a service account. Absent: the credential of the machine or pod (Workload Identity, or " +
          "`GOOGLE_APPLICATION_CREDENTIALS`). Example: `{ file: /run/secrets/google.json }`.",
      ),
    emulator: hostPort("localhost:8085")
      .optional()
      .describe(
        "A Pub/Sub emulator instead of Google, in plain text; absent: `PUBSUB_EMULATOR_HOST`, where Worktide's environment has it. " +
          "Example: `localhost:8085`.",
      ),
    monitoringEmulator: hostPort("localhost:8086")
      .optional()
      .describe(
        "What answers for Cloud Monitoring beside `emulator`, in plain text; without it an emulated backlog is not known. " +
          "Example: `localhost:8086`.",
      ),
    probeOwner: text(63)
      .regex(/^[a-z0-9_-]+$/)
      .meta({ must: "must be 1 to 63 lower-case letters, digits, dashes and underscores" })
      .default("worktide")
      .describe(
        "Whose the probe subscriptions are, by their label: another one for each Worktide of a project. Example: `worktide-staging`.",
      ),
  })
  .superRefine(({ credentialsFrom, emulator, monitoringEmulator }, context) => {
    if (emulator !== undefined && credentialsFrom !== undefined) {
      complain(context, "emulator-credential", ["credentialsFrom"], noCredential);
    }
    if (emulator === undefined && monitoringEmulator !== undefined) {
      complain(context, "monitoring-emulator", ["monitoringEmulator"], "must come with `emulator`");
    }
  })
  .meta(
    cel(
      { rule: "!has(self.emulator) || !has(self.credentialsFrom)", message: `\`credentialsFrom\` ${noCredential}` },
      { rule: "has(self.emulator) || !has(self.monitoringEmulator)", message: "`monitoringEmulator` must come with `emulator`" },
    ),
  );

/** As declared. */
export type PubSubDeclared = z.output<typeof pubSubSettings>;

/** As the broker gets them: the key file itself. */
export type PubSubSettings = Omit<PubSubDeclared, "credentialsFrom"> & Readonly<{ credentials?: string }>;

/** What of a key file is used. Addresses that stand in one are not: a token is asked of Google and of nobody else. */
export type KeyFile = Readonly<{ client_email: string; private_key: string }>;

/** Throws BrokerError without quoting the file. */
export function parseKeyFile(content: string): KeyFile {
  const found = jsonOf(content);
  const { type, client_email: email, private_key: key } = Object(found) as Readonly<Record<string, unknown>>;
  if (type === "service_account" && typeof email === "string" && typeof key === "string" && isKey(key)) {
    return { client_email: email, private_key: key };
  }
  const message =
    "the credential must be the key file of a service account: JSON with `type: service_account`, `client_email` and a PEM `private_key`";
  throw new BrokerError({ kind: "auth", message });
}

function isKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).type === "private";
  } catch {
    return false;
  }
}

function jsonOf(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined; // its text must not stand in any message
  }
}
