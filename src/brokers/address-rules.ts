import type { z } from "zod";
import { type CelRule, complain } from "../api/fields.ts";
import { hasPassword } from "../api/redact.ts";

/** What the settings of every broker with a `url` hold. Each rule stands twice: for zod, and in CEL for the API server. */

const elsewhere = "use `passwordFrom`, or `urlFrom` for the whole address";
const noPassword = (wayOut: string) => `must not carry a password: ${wayOut}`;

/** An address carries no password, which would stand in the document for all to read: whether it is so. */
export function checkPassword(url: string | undefined, context: z.RefinementCtx, wayOut = elsewhere): boolean {
  if (url === undefined || !hasPassword(url)) return true;
  complain(context, "password-in-url", ["url"], noPassword(wayOut));
  return false;
}

type Address<Parsed> = Readonly<{ parse(url: string): Parsed | undefined; mustBe: string; rule: string }>;

/** An address carries no password and can be read: what it says, where both are so. */
export function checkUrl<Parsed>(
  url: string | undefined,
  { parse, mustBe, rule }: Address<Parsed>,
  context: z.RefinementCtx,
): Parsed | undefined {
  if (url === undefined || !checkPassword(url, context)) return undefined;
  const parsed = parse(url);
  if (parsed === undefined) complain(context, rule, ["url"], mustBe);
  return parsed;
}

/** {@link checkPassword} for the API server. */
export const passwordRule = (wayOut = elsewhere): CelRule => ({
  rule: "!has(self.url) || !self.url.matches('^[a-z][a-z0-9+.-]*://[^@]*:[^@]*@')",
  message: `\`url\` ${noPassword(wayOut)}`,
});

type Login = Readonly<{ username?: string | undefined; passwordFrom?: unknown }>;

/** A user and a password come together. */
export function checkLogin({ username, passwordFrom }: Login, context: z.RefinementCtx): void {
  if ((username === undefined) === (passwordFrom === undefined)) return;
  const [there, missing] = username === undefined ? ["passwordFrom", "username"] : ["username", "passwordFrom"];
  complain(context, "user-and-password", [there], `must come with \`${missing}\``);
}

/** {@link checkLogin} for the API server. */
export const loginRule: CelRule = {
  rule: "has(self.username) == has(self.passwordFrom)",
  message: "`username` must come with `passwordFrom`",
};
