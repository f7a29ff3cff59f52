import { z } from "zod";
import { duration } from "../api/duration.ts";
import { cel, checkOne, complain, exactlyOne, text } from "../api/fields.ts";
import { secretReference, titleOfReference } from "../api/secrets.ts";
import { BrokerError } from "../core/contract.ts";
import { checkUrl, passwordRule } from "./address-rules.ts";
import { decodePart, formatHostPort, type HostPort } from "./host-port.ts";
import { checkTls, type Tls, tlsRules, tlsSettings } from "./tls.ts";

/** What one kind of database calls its addresses. */
export type SqlKind = Readonly<{
  type: "postgresql" | "mysql";
  title: string;
  /** Also with a driver's name, as SQLAlchemy has them: `postgresql+psycopg2`. */
  schemes: readonly string[];
  port: number;
}>;

const ways = ["url", "urlFrom"] as const;
/** Without `user@`, which would be hidden wherever this is shown. */
const form = ({ type, schemes }: SqlKind) => `${schemes[0] ?? type}://host:port/database, with the user before the host`;

/** What a QueueConnection says of a database. Secrets are references. */
export const sqlSettings = (kind: SqlKind) =>
  z
    .strictObject({
      url: text(2048)
        .regex(new RegExp(`^(${kind.schemes.join("|")})(\\+[a-z0-9]+)?://[^\\s]+$`))
        .meta({ must: `must be ${form(kind)}` })
        .optional()
        .describe(
          `Address without a password; \`?sslmode=\` as libpq has it. Example: \`${kind.type}://worktide@db.shop:${kind.port}/shop\`.`,
        ),
      urlFrom: secretReference()
        .optional()
        .describe(
          "Instead of `url`: an address that may carry user and password, in the form of SQLAlchemy too. Example: `{ env: DATABASE_URL }`.",
        ),
      username: text(256).optional().describe("User; absent: that of the address. Example: `worktide`."),
      passwordFrom: secretReference()
        .optional()
        .describe("Where the password stands; read at each dial. Example: `{ env: DATABASE_PASSWORD }`."),
      tls: tlsSettings(kind.type)
        .optional()
        .describe(
          `Certificates; even an empty one turns TLS on, with the server's certificate checked. Example: \`{ caFile: /etc/${kind.type}/ca.crt }\`.`,
        ),
      statementTimeout: duration({ min: "50ms", max: "1500ms" })
        .prefault("1s")
        .describe("A query that takes longer is ended by the server, and its trigger is not known. Example: `500ms`."),
    })
    .superRefine((settings, context) => {
      const { url, urlFrom, username, passwordFrom } = settings;
      checkOne(ways, settings, "one-database-address", context);
      const odd = url === undefined ? undefined : oddParameter(url);
      const mustBe =
        odd === undefined ? `must be ${form(kind)}` : `must not have the parameter \`${odd}\`: it is not understood here`;
      const address = { parse: (text: string) => parseUrl(kind, text), mustBe, rule: "database-url" };
      const parsed = checkUrl(url, address, context);
      if (parsed && (username ?? parsed.username) === undefined) {
        complain(context, "database-user", ["url"], "must name the user, or stand beside `username`");
      }
      if (username !== undefined && passwordFrom === undefined && urlFrom === undefined) {
        complain(context, "user-needs-password", ["username"], "must come with `passwordFrom`");
      }
      checkTls(settings, context);
    })
    .meta(
      cel(
        exactlyOne(ways),
        passwordRule(),
        {
          rule: "!has(self.url) || has(self.username) || self.url.contains('@')",
          message: "`url` must name the user, or stand beside `username`",
        },
        {
          rule: "!has(self.username) || has(self.passwordFrom) || has(self.urlFrom)",
          message: "`username` must come with `passwordFrom`",
        },
        ...tlsRules(),
      ),
    );

/** As declared. */
export type SqlDeclared = z.output<ReturnType<typeof sqlSettings>>;

/** As the broker gets them: each `xFrom` has become `x`, and the address may carry user and password. */
export type SqlSettings = Omit<SqlDeclared, "urlFrom" | "passwordFrom" | "tls"> &
  Readonly<{ password?: string; tls?: Tls | undefined }>;

/** One server, one database on it, and how to log in. */
export type SqlAddress = HostPort &
  Readonly<{ database: string; username: string; password?: string; tls: "off" | "unverified" | "verified" }>;

/** Throws BrokerError without quoting the address. */
export function addressOf(kind: SqlKind, { url, username, password, tls }: SqlSettings): SqlAddress {
  const parsed = url === undefined ? undefined : parseUrl(kind, url);
  const invalid = (message: string) => new BrokerError({ kind: "invalid", message });
  const odd = parsed || url === undefined ? undefined : oddParameter(url);
  if (odd !== undefined) throw invalid(`the address has the parameter \`${odd}\`, which is not understood here: leave it out`);
  if (!parsed) throw invalid(`the address is not of the form ${form(kind)}`);
  const user = username ?? parsed.username;
  if (user === undefined) throw invalid("the address names no user");
  const secure = tls === undefined ? parsed.tls : tls.insecureSkipVerify ? "unverified" : "verified";
  return { ...parsed, username: user, tls: secure, ...(password !== undefined && { password }) };
}

type Parsed = Omit<SqlAddress, "username"> & Readonly<{ username?: string }>;

/** What libpq's `sslmode` asks for. `prefer` and `allow` fall back to no TLS there, so they protect nothing. */
const modes: Readonly<Record<string, SqlAddress["tls"]>> = {
  disable: "off",
  allow: "off",
  prefer: "off",
  require: "unverified",
  "verify-ca": "verified",
  "verify-full": "verified",
};

/** Parameters that SQLAlchemy and libpq take too, and that change nothing here. */
const idle = ["charset", "client_encoding", "connect_timeout", "application_name"];

const matters = (parameter: string) => parameter !== "sslmode" && !idle.includes(parameter);

/** The first parameter that might change where the address leads, or how, and that nobody here heeds. */
function oddParameter(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined;
  const names = [...new URL(address).searchParams.keys()];
  // What looks otherwise may be a piece of a password.
  return names.find((name) => /^[a-z_]{2,30}$/.test(name) && matters(name));
}

/** `scheme[+driver]://user[:password]@host[:port]/database[?sslmode=…]`; other parameters that matter are refused. */
export function parseUrl(kind: SqlKind, address: string): Parsed | undefined {
  // Of a scheme that it does not know, the URL class takes host and port as they are written, as of any other.
  if (!URL.canParse(address)) return undefined;
  const url = new URL(address);
  const scheme = url.protocol.replace(/(\+[a-z0-9]+)?:$/, "");
  const path = /^\/([^/]+)$/.exec(url.pathname);
  if (!kind.schemes.includes(scheme) || url.hostname === "" || !path || url.hash !== "") return undefined;
  const [database, username, password] = [path[1] ?? "", url.username, url.password].map(decodePart);
  const tls = modes[url.searchParams.get("sslmode") ?? "disable"];
  if ([...url.searchParams.keys()].some(matters)) return undefined;
  if (database === undefined || username === undefined || password === undefined || tls === undefined) return undefined;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port || kind.port),
    database,
    tls,
    ...(username !== "" && { username }),
    ...(password !== "" && { password }),
  };
}

/** Also of settings as they are declared, where the address may be a reference only. */
export function describe(kind: SqlKind, { url, urlFrom }: SqlSettings & Pick<SqlDeclared, "urlFrom">): string {
  const parsed = url === undefined ? undefined : parseUrl(kind, url);
  if (parsed) return `${kind.type}://${formatHostPort(parsed)}/${parsed.database}`;
  return url === undefined ? `${kind.type} at the address in ${titleOfReference(urlFrom)}` : kind.type;
}
