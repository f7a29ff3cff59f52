import { z } from "zod";
import { cel, checkOne, complain, exactlyOne, namedList, text } from "../api/fields.ts";
import { secretReference, titleOfReference } from "../api/secrets.ts";
import { BrokerError } from "../core/contract.ts";
import { checkLogin, checkUrl, loginRule, passwordRule } from "./address-rules.ts";
import { decodePart } from "./host-port.ts";
import { checkTls, type Tls, tlsRules, tlsSettings } from "./tls.ts";

const ways = ["url", "urlFrom"] as const;
const values = ["value", "valueFrom"] as const;
const mustBe = "must be http://host:port/path, or https:// for TLS, without a query";
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
    checkOne(values, { value, valueFrom }, "header-value", context);
    if (name.toLowerCase() === "authorization" && value !== undefined) {
      complain(context, "header-value", ["value"], ofLogin);
    }
  })
  .meta(
    cel(exactlyOne(values), {
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
    headers: namedList(header, 32, (name) => name.toLowerCase()).describe(
      "Headers of every request: tenants, API keys. Example: `[{ name: X-Scope-OrgID, value: team-a }]`.",
    ),
    tls: tlsSettings(name).optional().describe(`Certificates. Example: \`{ caFile: /etc/${name}/ca.crt }\`.`),
  });

/** What a QueueConnection says of a service that is asked by HTTP. `name` stands in the examples: "prometheus". */
export const webSettings = (name: string, example: string) =>
  fields(name, example)
    .superRefine(checkSettings)
    .meta(
      cel(
        exactlyOne(ways),
        passwordRule(),
        loginRule,
        { rule: "!has(self.tokenFrom) || !has(self.username)", message: "must have `tokenFrom` or `username`, not both" },
        ...tlsRules("https"),
      ),
    );

/** As declared. */
export type WebDeclared = z.output<ReturnType<typeof fields>>;

function checkSettings(settings: WebDeclared, context: z.RefinementCtx): void {
  const { url, username, tokenFrom } = settings;
  checkOne(ways, settings, "one-web-address", context);
  checkUrl(url, { parse: parseUrl, mustBe, rule: "web-url" }, context);
  checkLogin(settings, context);
  if (tokenFrom && username !== undefined) complain(context, "one-login", ["tokenFrom"], "must not stand beside `username`");
  checkTls(settings, context, "https");
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
