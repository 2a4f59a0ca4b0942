import { createPrivateKey, KeyObject, webcrypto } from 'node:crypto'
import { isIP, isIPv6 } from 'node:net'
import type { EpochMs } from '../base/clock.ts'

/** A certificate with its private key, both as PEM text. */
export interface Issued {
  readonly certificate: string
  readonly key: string
}

interface Validity {
  readonly from: EpochMs
  readonly until: EpochMs
}

/** P-256, signed with ECDSA and SHA-256: what every TLS client of today accepts. */
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** A new certificate authority that signs itself, for certificates directly below it. */
export async function issueAuthority(commonName: string, { from, until }: Validity): Promise<Issued> {
  const x509 = await loadX509()
  const keys = await newKeyPair()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: nameOf(commonName),
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(from),
    notAfter: new Date(until),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ...(await keyIdentifiers(x509, keys.publicKey, keys.publicKey)),
    ],
  })
  return issued(certificate, keys)
}

/** A new server certificate for those host names and IP addresses. */
export async function issueServer(
  authority: Issued,
  names: readonly string[],
  { from, until }: Validity,
): Promise<Issued> {
  const x509 = await loadX509()
  const keys = await newKeyPair()
  const issuer = new x509.X509Certificate(authority.certificate)
  const certificate = await x509.X509CertificateGenerator.create({
    subject: nameOf(names[0] ?? 'localhost'),
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey: createPrivateKey(authority.key).toCryptoKey(algorithm, false, ['sign']),
    signingAlgorithm: algorithm,
    notBefore: new Date(from),
    notAfter: new Date(until),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names.map(generalName)),
      ...(await keyIdentifiers(x509, keys.publicKey, issuer.publicKey)),
    ],
  })
  return issued(certificate, keys)
}

type X509 = typeof import('@peculiar/x509')
type PublicKey = Parameters<X509['SubjectKeyIdentifierExtension']['create']>[0]

/** Loaded here and not above: it takes about 80 ms, and most starts find their certificates on disk. */
async function loadX509(): Promise<X509> {
  // Its container looks for what this one adds to the global `Reflect`, and does not load without it.
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

const newKeyPair = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])

/**
 * Strict clients (Python 3.13, OpenSSL's -x509_strict) insist on both, in an authority's certificate too.
 *
 * Source: RFC 5280, sections 4.2.1.1 and 4.2.1.2
 */
const keyIdentifiers = (x509: X509, own: PublicKey, issuer: PublicKey) =>
  Promise.all([
    x509.SubjectKeyIdentifierExtension.create(own),
    x509.AuthorityKeyIdentifierExtension.create(issuer),
  ])

/** A distinguished name of organisation and common name; the latter holds at most 64 characters. */
const nameOf = (commonName: string) => [{ O: ['Busbar'] }, { CN: [commonName.slice(0, 64)] }]

function generalName(name: string): { readonly type: 'dns' | 'ip'; readonly value: string } {
  if (isIP(name) === 0) return { type: 'dns', value: name }
  // The URL parser writes an embedded IPv4 address as hexadecimal groups, which the library misreads otherwise.
  return { type: 'ip', value: isIPv6(name) ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name }
}

function issued(
  certificate: { toString(format: 'pem'): string },
  { privateKey }: webcrypto.CryptoKeyPair,
): Issued {
  const key = KeyObject.from(privateKey).export({ type: 'pkcs8', format: 'pem' })
  return { certificate: `${certificate.toString('pem')}\n`, key }
}
