import { z } from "zod";
import { cel, exactlyOne, text } from "../api/fields.ts";
import { complain } from "../api/meta.ts";
import { secretReference } from "../api/secrets.ts";
import { hostPort } from "./host-port.ts";
import { checkPairs, pairsRule, type Tls, tlsSettings } from "./tls.ts";

const entry = z
  .strictObject({
    name: text(253).describe("Key within the metadata. Example: `apiKey`."),
    value: text(8192, 0).optional().describe("Its value. Example: `eu-west`."),
    valueFrom: secretReference().optional().describe("Instead of `value`: where it stands. Example: `{ env: API_KEY }`."),
  })
  .superRefine(({ value, valueFrom }, context) => {
    if ((value === undefined) !== (valueFrom === undefined)) return;
    complain(context, "header-value", [], "must have exactly one of `value`, `valueFrom`", { unlessUnknown: true });
  })
  .meta(cel(exactlyOne(["value", "valueFrom"])));

/** What a QueueConnection says of a scaler in another process. */
export const externalSettings = z
  .strictObject({
    address: hostPort("scaler.shop:9090").describe("Where it listens, as host:port. Example: `scaler.shop:9090`."),
    tls: tlsSettings("scaler").optional().describe("Certificates; even an empty one turns TLS on. Example: `{}`."),
    tokenFrom: secretReference()
      .optional()
      .describe("A bearer token, sent with every call; needs `tls`. Example: `{ file: /run/secrets/token }`."),
    metadata: z
      .array(entry)
      .max(64)
      .default([])
      .meta({ listType: "map", listKeys: ["name"] })
      .describe(
        "Added to the metadata of every trigger: credentials, above all. Example: `[{ name: apiKey, valueFrom: { env: API_KEY } }]`.",
      ),
  })
  .superRefine((settings, context) => {
    const { tls, tokenFrom, metadata } = settings;
    if (tokenFrom && !tls) complain(context, "token-needs-tls", ["tokenFrom"], "must come with `tls`");
    const names = metadata?.map(({ name }) => name) ?? [];
    const twice = names.findIndex((name, at) => names.indexOf(name) < at);
    if (twice !== -1) complain(context, "duplicate-item", ["metadata", twice, "name"], "must not stand twice");
    checkPairs(tls, context);
  })
  .meta(cel({ rule: "!has(self.tokenFrom) || has(self.tls)", message: "`tokenFrom` must come with `tls`" }, pairsRule));

/** As declared. */
export type ExternalDeclared = z.output<typeof externalSettings>;

/** As the broker gets them: each `xFrom` has become `x`. */
export type ExternalSettings = Omit<ExternalDeclared, "tls" | "tokenFrom" | "metadata"> &
  Readonly<{
    tls?: Tls | undefined;
    token?: string;
    metadata?: readonly Readonly<{ name: string; value?: string | undefined }>[];
  }>;
