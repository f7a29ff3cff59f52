import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { bits, identifier, integer, octets, sequence, set, tagged, time, utf8, yes } from "./der.ts";

/** A certificate for a server with its key, and the authority that vouches for it; all PEM. */
export type IssuedCertificate = Readonly<{ cert: string; key: string; ca: string }>;

export type CertificateOptions = Readonly<{
  /** Names that the server is asked by: "worktide.worktide-system.svc". The first one is its common name too. */
  dnsNames: readonly string[];
  /** ms since 1970, both. */
  from: number;
  until: number;
}>;

const ecdsaWithSha256 = sequence(identifier("1.2.840.10045.4.3.2"));
const subjectKeyId = "2.5.29.14";
const keyUsage = "2.5.29.15";
const alternativeNames = "2.5.29.17";
const basicConstraints = "2.5.29.19";
const authorityKeyId = "2.5.29.35";
const extendedKeyUsage = "2.5.29.37";
const serverAuth = "1.3.6.1.5.5.7.3.1";

/**
 * A new authority and one certificate of it (X.509 v3 of RFC 5280, ECDSA on P-256), for Node has no word that issues one.
 * The authority's key is forgotten: who renews makes a new authority, and nobody can sign anything else by the old one.
 */
export function issueCertificate({ dnsNames, from, until }: CertificateOptions): IssuedCertificate {
  const authority = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const server = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuer = nameOf(`worktide webhook ${new Date(from).toISOString()}`);
  const common = { issuer, from, until, signer: authority.privateKey };
  const authorityId = keyIdOf(authority.publicKey);
  const ca = certificate({
    ...common,
    subject: issuer,
    publicKey: authority.publicKey,
    extensions: [
      extension(basicConstraints, sequence(yes), true),
      extension(keyUsage, bits(Buffer.from([0b0000_0110]), 1), true), // keyCertSign, cRLSign
      extension(subjectKeyId, octets(authorityId)),
    ],
  });
  const cert = certificate({
    ...common,
    subject: nameOf(dnsNames[0] ?? "worktide"),
    publicKey: server.publicKey,
    extensions: [
      extension(basicConstraints, sequence(), true),
      extension(keyUsage, bits(Buffer.from([0b1000_0000]), 7), true), // digitalSignature
      extension(extendedKeyUsage, sequence(identifier(serverAuth))),
      extension(alternativeNames, sequence(...dnsNames.map((name) => tagged(2, Buffer.from(name), false)))),
      extension(subjectKeyId, octets(keyIdOf(server.publicKey))),
      extension(authorityKeyId, sequence(tagged(0, authorityId, false))),
    ],
  });
  return { cert, key: String(server.privateKey.export({ type: "pkcs8", format: "pem" })), ca };
}

type Content = Readonly<{
  issuer: Buffer;
  subject: Buffer;
  from: number;
  until: number;
  publicKey: KeyObject;
  extensions: readonly Buffer[];
  signer: KeyObject;
}>;

function certificate({ issuer, subject, from, until, publicKey, extensions, signer }: Content): string {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // positive, and of full length
  const signed = sequence(
    tagged(0, integer(Buffer.from([2]))), // v3
    integer(serial),
    ecdsaWithSha256,
    issuer,
    sequence(time(from), time(until)),
    subject,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(3, sequence(...extensions)),
  );
  const der = sequence(signed, ecdsaWithSha256, bits(sign("sha256", signed, signer)));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

/** One common name. */
const nameOf = (text: string) => sequence(set(sequence(identifier("2.5.4.3"), utf8(text.slice(0, 64)))));

const extension = (id: string, value: Buffer, critical = false) =>
  sequence(identifier(id), ...(critical ? [yes] : []), octets(value));

/** RFC 5280 §4.2.1.2, of the whole key. */
const keyIdOf = (key: KeyObject) =>
  createHash("sha1")
    .update(key.export({ type: "spki", format: "der" }))
    .digest();
