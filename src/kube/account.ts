import type { Credentials } from "./access.ts";
import type { OwnerReference } from "./kube.ts";

type Claims = Readonly<{
  "kubernetes.io"?: Readonly<{ namespace?: string; serviceaccount?: Readonly<{ name?: string; uid?: string }> }>;
}>;

/**
 * The ServiceAccount that the token was given to, as an owner: what it owns goes with it, so that an uninstall leaves
 * nothing behind. Undefined for other credentials, and for objects of another namespace, which it cannot own.
 */
export function accountOwner({ headers }: Pick<Credentials, "headers">, namespace: string): OwnerReference | undefined {
  const claims = claimsOf(headers["authorization"] ?? "")?.["kubernetes.io"];
  const { name, uid } = claims?.serviceaccount ?? {};
  if (claims?.namespace !== namespace || name === undefined || uid === undefined) return undefined;
  return { apiVersion: "v1", kind: "ServiceAccount", name, uid };
}

/** What the middle of a JSON Web Token says. Whether it is true is for the API server to judge. */
function claimsOf(authorization: string): Claims | undefined {
  const [, payload] = /^Bearer [^.]+\.([^.]+)\.[^.]*$/.exec(authorization) ?? [];
  if (payload === undefined) return undefined;
  try {
    return JSON.parse(Buffer.from(payload, "base64url").toString()) as Claims;
  } catch {
    return undefined;
  }
}
