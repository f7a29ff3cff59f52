import { z } from "zod";
import { cel, exactlyOne, text } from "../api/fields.ts";
import { complain } from "../api/meta.ts";
import { hasPassword } from "../api/redact.ts";
import { secretReference, titleOfReference } from "../api/secrets.ts";
import { BrokerError } from "../core/contract.ts";
import { decodePart } from "./host-port.ts";
import { checkPairs, pairsRule, type Tls, tlsSettings } from "./tls.ts";

const places = ["url", "urlFrom"] as const;
const mustBe = "must be http://host:port/path, or https:// for TLS, without a query";
const withPassword = "must not carry a password: use `passwordFrom`, or `urlFrom` for the whole address";
const ofLogin = "must not be `Authorization` in plain text: use `tokenFrom`, `passwordFrom` or `valueFrom`";

/** Any character that may stand in a header, and no line end, with which one header becomes two. */
const headerValue = /^[ -~]+$/;

const header = z
  .strictObject({
    name: text(128)
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/)
      .meta({ must: "must be the name of a header: letters, digits, dashes, underscores and dots" })
      .describe("Name of the header. Example: `X-Scope-OrgID`."),
    value: text(2048).regex(headerValue).optional().describe("Its value. Example: `team-a`."),
    valueFrom: secretReference().optional().describe("Instead of `value`: where it stands. Example: `{ env: API_KEY }`."),
  })
  .superRefine(({ name, value, valueFrom }, context) => {
    if ((value === undefined) === (valueFrom === undefined)) {
      complain(context, "header-value", [], "must have exactly one of `value`, `valueFrom`", { unlessUnknown: true });
    } else if (name.toLowerCase() === "authorization" && value !== undefined) {
      complain(context, "header-value", ["value"], ofLogin);
    }
  })
  .meta(
    cel(exactlyOne(["value", "valueFrom"]), {
      rule: "self.name.lowerAscii() != 'authorization' || !has(self.value)",
      message: `\`value\` ${ofLogin}`,
    }),
  );

const fields = (name: string, example: string) =>
  z.strictObject({
    url: text(2048)
      .regex(/^https?:\/\/[^\s?#]+$/)
      .meta({ must: mustBe })
      .optional()
      .describe(`Address without a password; paths are added at its end. Example: \`${example}\`.`),
    urlFrom: secretReference()
      .optional()
      .describe("Instead of `url`: an address that may carry user and password. Example: `{ env: SERVICE_URL }`."),
    username: text(256).optional().describe("User, for basic authentication. Example: `worktide`."),
    passwordFrom: secretReference()
      .optional()
      .describe("Where the password stands; read at each dial. Example: `{ env: SERVICE_PASSWORD }`."),
    tokenFrom: secretReference()
      .optional()
      .describe("Instead of a user: a bearer token; read at each dial. Example: `{ file: /run/secrets/token }`."),
    headers: z
      .array(header)
      .max(32)
      .default([])
      .meta({ listType: "map", listKeys: ["name"] })
      .describe("Headers of every request: tenants, API keys. Example: `[{ name: X-Scope-OrgID, value: team-a }]`."),
    tls: tlsSettings(name).optional().describe(`Certificates. Example: \`{ caFile: /etc/${name}/ca.crt }\`.`),
  });

/** What a QueueConnection says of a service that is asked by HTTP. `name` stands in the examples: "prometheus". */
export const webSettings = (name: string, example: string) =>
  fields(name, example)
    .superRefine(checkSettings)
    .meta(
      cel(
        exactlyOne(places),
        {
          rule: "!has(self.url) || !self.url.matches('^[a-z][a-z0-9+.-]*://[^@]*:[^@]*@')",
          message: `\`url\` ${withPassword}`,
        },
        {
          rule: "!has(self.url) || !has(self.tls) || self.url.startsWith('https://')",
          message: "`url` must begin with https:// where `tls` is given",
        },
        { rule: "has(self.username) == has(self.passwordFrom)", message: "`username` must come with `passwordFrom`" },
        { rule: "!has(self.tokenFrom) || !has(self.username)", message: "must have `tokenFrom` or `username`, not both" },
        pairsRule,
      ),
    );

/** As declared. */
export type WebDeclared = z.output<ReturnType<typeof fields>>;

function checkSettings(settings: WebDeclared, context: z.RefinementCtx): void {
  const { url, urlFrom, username, passwordFrom, tokenFrom, tls, headers } = settings;
  if ((url === undefined) === (urlFrom === undefined)) {
    const found = url === undefined ? "none" : "`url` and `urlFrom`";
    complain(context, "one-web-address", [], `must have exactly one of \`url\`, \`urlFrom\`; found ${found}`, {
      unlessUnknown: true,
    });
  }
  if (url !== undefined && hasPassword(url)) complain(context, "password-in-url", ["url"], withPassword);
  else if (url !== undefined && parseUrl(url) === undefined) complain(context, "web-url", ["url"], mustBe);
  if (url?.startsWith("http://") && tls) {
    complain(context, "tls-url", ["url"], "must begin with https:// where `tls` is given", { unlessInvalid: ["url"] });
  }
  if ((username === undefined) !== (passwordFrom === undefined)) {
    const [at, other] = username === undefined ? ["passwordFrom", "username"] : ["username", "passwordFrom"];
    complain(context, "user-and-password", [at], `must come with \`${other}\``);
  }
  if (tokenFrom && username !== undefined) complain(context, "one-login", ["tokenFrom"], "must not stand beside `username`");
  const names = headers?.map(({ name }) => name.toLowerCase()) ?? [];
  const twice = names.findIndex((name, at) => names.indexOf(name) < at);
  if (twice !== -1) complain(context, "duplicate-item", ["headers", twice, "name"], "must not stand twice");
  checkPairs(tls, context);
}

/** As the broker gets them: each `xFrom` has become `x`, and the address may carry user and password. */
export type WebSettings = Omit<WebDeclared, "urlFrom" | "passwordFrom" | "tokenFrom" | "headers" | "tls"> &
  Readonly<{
    password?: string;
    token?: string;
    headers?: readonly Readonly<{ name: string; value?: string | undefined }>[];
    tls?: Tls | undefined;
  }>;

/** Where to ask, what to send along with every question, and what must never be shown. */
export type WebAddress = Readonly<{
  /** Without a slash at its end. */
  base: string;
  headers: Readonly<Record<string, string>>;
  secrets: readonly string[];
  tls: Tls | undefined;
}>;

/** Throws BrokerError without quoting the address. */
export function webAddressOf({ url, username, password, token, headers = [], tls }: WebSettings): WebAddress {
  const parsed = url === undefined ? undefined : parseUrl(url);
  if (!parsed) throw new BrokerError({ kind: "invalid", message: "the address is not of the form http://host:port/path" });
  if (tls && !parsed.base.startsWith("https://"))
    throw new BrokerError({ kind: "invalid", message: "the address must begin with https:// where tls is given" });
  const login = username === undefined ? parsed.login : { username, password: password ?? "" };
  const authorization = token === undefined ? login && basic(login) : `Bearer ${token}`;
  const own = headers.map(({ name, value = "" }) => [name.toLowerCase(), value] as const);
  const all = { ...(authorization !== undefined && { authorization }), ...Object.fromEntries(own) };
  const broken = Object.entries(all).find(([, value]) => !headerValue.test(value));
  if (broken) {
    const message = `the value of header ${broken[0]} has characters that no header may have, or none`;
    throw new BrokerError({ kind: "secret", message });
  }
  const secrets = [...Object.values(all), token, login?.password].filter((one) => one !== undefined && one.length > 3);
  return { base: parsed.base, headers: all, secrets: secrets as readonly string[], tls };
}

export const basic = ({ username, password }: Readonly<{ username: string; password: string }>): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;

type ParsedUrl = Readonly<{ base: string; login?: Readonly<{ username: string; password: string }> }>;

function parseUrl(text: string): ParsedUrl | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (!/^https?:$/.test(url.protocol) || url.hostname === "" || url.search !== "" || url.hash !== "") return undefined;
  const [username, password] = [url.username, url.password].map(decodePart);
  if (username === undefined || password === undefined) return undefined;
  return { base: `${url.origin}${url.pathname.replace(/\/+$/, "")}`, ...(username !== "" && { login: { username, password } }) };
}

/** Where it leads, for people. Also of settings as they are declared, where the address may be a reference only. */
export function describeWeb(name: string, { url, urlFrom }: WebSettings & Pick<WebDeclared, "urlFrom">): string {
  if (url !== undefined) return parseUrl(url)?.base ?? name;
  return `${name} at the address in ${titleOfReference(urlFrom)}`;
}
