import { generateKeyPairSync, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";

/** A user of the token file. */
export type TokenUser = Readonly<{ name: string; group: string }>;

/** The key pair of ServiceAccounts, and a token for each user, in `dir`; answers the tokens in the same order. */
export async function writeSecrets(dir: string, users: readonly TokenUser[]): Promise<readonly string[]> {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  await writeFile(path.join(dir, "service-account.key"), privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  await writeFile(path.join(dir, "service-account.pub"), publicKey.export({ type: "spki", format: "pem" }));
  const tokens = users.map(() => randomBytes(16).toString("hex"));
  const lines = users.map(({ name, group }, i) => `${tokens[i]},${name},${name},"${group}"\n`);
  await writeFile(path.join(dir, "tokens.csv"), lines.join(""), { mode: 0o600 });
  return tokens;
}

export const admin: TokenUser = { name: "admin", group: "system:masters" };
