import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { accountOwner } from "../../src/kube/account.ts";

const token = (claims: object) => `Bearer head.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.signature`;
const ours = token({ "kubernetes.io": { namespace: "system", serviceaccount: { name: "worktide", uid: "u1" } } });
const ownerOf = (authorization: string | undefined, namespace = "system") =>
  accountOwner({ headers: authorization === undefined ? {} : { authorization } }, namespace);

describe("The account of a token", () => {
  it("owns what is made in its own namespace", () => {
    assert.deepEqual(ownerOf(ours), { apiVersion: "v1", kind: "ServiceAccount", name: "worktide", uid: "u1" });
  });

  it("owns nothing elsewhere, where the owner would count as gone", () => {
    assert.equal(ownerOf(ours, "shop"), undefined);
  });

  it("is not known of other credentials", () => {
    for (const other of [
      undefined,
      "Basic YTpi",
      "Bearer opaque",
      "Bearer a.!.c",
      token({}),
      token({ "kubernetes.io": { namespace: "system" } }),
    ]) {
      assert.equal(ownerOf(other), undefined, other);
    }
  });
});
