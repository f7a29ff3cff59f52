import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { Agent, request } from "undici";
import { issueCertificate } from "../../src/kube/certificate.ts";

const day = 86_400_000;
const from = Date.parse("2026-01-02T03:04:05Z");

describe("a certificate of our own", () => {
  it("says what it is for, and is signed by its authority", () => {
    const { cert, key, ca } = issueCertificate({ dnsNames: ["a.b.svc", "a.b.svc.cluster.local"], from, until: from + 90 * day });
    const [own, authority] = [new X509Certificate(cert), new X509Certificate(ca)];
    assert.equal(own.subject, "CN=a.b.svc");
    assert.equal(own.subjectAltName, "DNS:a.b.svc, DNS:a.b.svc.cluster.local");
    assert.deepEqual([own.ca, authority.ca], [false, true]);
    assert.ok(own.checkIssued(authority) && own.verify(authority.publicKey) && authority.verify(authority.publicKey));
    assert.ok(own.checkPrivateKey(createPrivateKey(key)));
    assert.deepEqual([own.validFromDate.getTime(), own.validToDate.getTime()], [from, from + 90 * day]);
    assert.deepEqual(own.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
  });

  it("never vouches for another one, and holds past 2050", () => {
    const until = Date.parse("2060-01-01T00:00:00Z");
    const [first, second] = [0, 1].map(() => issueCertificate({ dnsNames: ["a"], from, until }));
    assert.notEqual(new X509Certificate(first?.cert ?? "").serialNumber, new X509Certificate(second?.cert ?? "").serialNumber);
    assert.equal(new X509Certificate(first?.cert ?? "").verify(createPublicKey(second?.ca ?? "")), false);
    assert.equal(new X509Certificate(first?.cert ?? "").validToDate.getTime(), until);
  });

  it("opens a connection to who trusts the authority, and to nobody else", async () => {
    const { cert, key, ca } = issueCertificate({ dnsNames: ["localhost"], from: Date.now() - day, until: Date.now() + day });
    const server = createServer({ cert, key }, (_, response) => response.end("hello"));
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const url = `https://localhost:${(server.address() as AddressInfo).port}/`;
    const [friend, stranger] = [new Agent({ connect: { ca } }), new Agent()];
    try {
      assert.equal(await (await request(url, { dispatcher: friend })).body.text(), "hello");
      await assert.rejects(request(url, { dispatcher: stranger }), /certificate/);
    } finally {
      await Promise.all([friend.destroy(), stranger.destroy()]);
      server.close();
    }
  });
});
