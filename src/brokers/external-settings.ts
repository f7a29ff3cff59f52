import { z } from "zod";
import { cel, checkOne, complain, exactlyOne, namedList, text } from "../api/fields.ts";
import { secretReference } from "../api/secrets.ts";
import { hostPort } from "./host-port.ts";
import { checkTls, type Tls, tlsRules, tlsSettings } from "./tls.ts";

const values = ["value", "valueFrom"] as const;

const entry = z
  .strictObject({
    name: text(253).describe("Key within the metadata. Example: `apiKey`."),
    value: text(8192, 0).optional().describe("Its value. Example: `eu-west`."),
    valueFrom: secretReference().optional().describe("Instead of `value`: where it stands. Example: `{ env: API_KEY }`."),
  })
  .superRefine((settings, context) => void checkOne(values, settings, "header-value", context))
  .meta(cel(exactlyOne(values)));

/** What a QueueConnection says of a scaler in another process. */
export const externalSettings = z
  .strictObject({
    address: hostPort("scaler.shop:9090").describe("Where it listens, as host:port. Example: `scaler.shop:9090`."),
    tls: tlsSettings("scaler").optional().describe("Certificates; even an empty one turns TLS on. Example: `{}`."),
    tokenFrom: secretReference()
      .optional()
      .describe("A bearer token, sent with every call; needs `tls`. Example: `{ file: /run/secrets/token }`."),
    metadata: namedList(entry, 64).describe(
      "Added to the metadata of every trigger: credentials, above all. Example: `[{ name: apiKey, valueFrom: { env: API_KEY } }]`.",
    ),
  })
  .superRefine((settings, context) => {
    const { tls, tokenFrom } = settings;
    if (tokenFrom && !tls) complain(context, "token-needs-tls", ["tokenFrom"], "must come with `tls`");
    checkTls(settings, context);
  })
  .meta(cel({ rule: "!has(self.tokenFrom) || has(self.tls)", message: "`tokenFrom` must come with `tls`" }, ...tlsRules()));

/** As declared. */
export type ExternalDeclared = z.output<typeof externalSettings>;

/** As the broker gets them: each `xFrom` has become `x`. */
export type ExternalSettings = Omit<ExternalDeclared, "tls" | "tokenFrom" | "metadata"> &
  Readonly<{
    tls?: Tls | undefined;
    token?: string;
    metadata?: readonly Readonly<{ name: string; value?: string | undefined }>[];
  }>;
