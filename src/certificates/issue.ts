import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isIP, isIPv4 } from 'node:net'
import type { EpochMs } from '../base/clock.ts'
import {
  bitString,
  boolean,
  type Der,
  explicit,
  implicit,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  set,
  time,
  utf8String,
} from './der.ts'

/** A certificate with its private key, both as PEM text. */
export interface Issued {
  readonly certificate: string
  readonly key: string
}

/** Who signs: nobody but itself where a certificate authority is made. */
export interface Issuer {
  readonly commonName: string
  readonly key: KeyObject
  readonly publicKey: KeyObject
}

interface Validity {
  readonly from: EpochMs
  readonly until: EpochMs
}

/** A new certificate authority that signs itself, for certificates directly below it. */
export function issueAuthority(commonName: string, validity: Validity): Issued {
  const { privateKey, publicKey } = newKeyPair()
  const issuer = { commonName, key: privateKey, publicKey }
  const certificate = issue(issuer, commonName, publicKey, validity, [
    extension('2.5.29.19', true, sequence(boolean(true), integer(Buffer.of(0)))), // basicConstraints: CA, path 0
    extension('2.5.29.15', true, bitString(Buffer.of(0b0000_0110), 1)), // keyUsage: keyCertSign, cRLSign
  ])
  return { certificate, key: pemOf(privateKey) }
}

/** A new server certificate for those host names and IP addresses. */
export function issueServer(issuer: Issuer, names: readonly string[], validity: Validity): Issued {
  const { privateKey, publicKey } = newKeyPair()
  const certificate = issue(issuer, names[0] ?? 'localhost', publicKey, validity, [
    extension('2.5.29.19', true, sequence()), // basicConstraints: no CA
    extension('2.5.29.15', true, bitString(Buffer.of(0b1000_0000), 7)), // keyUsage: digitalSignature
    extension('2.5.29.37', false, sequence(objectIdentifier('1.3.6.1.5.5.7.3.1'))), // extKeyUsage: serverAuth
    extension('2.5.29.17', false, sequence(...names.map(generalName))), // subjectAltName
  ])
  return { certificate, key: pemOf(privateKey) }
}

/**
 * A version 3 certificate over a P-256 key, signed with ECDSA and SHA-256.
 *
 * ```text
 * Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature BIT STRING }
 * TBSCertificate ::= SEQUENCE { version [0], serialNumber, signature, issuer, validity, subject,
 *                               subjectPublicKeyInfo, extensions [3] }
 * ```
 *
 * Both key identifiers are there because strict clients (Python 3.13, OpenSSL's -x509_strict) insist on them.
 *
 * Source: RFC 5280, sections 4.1 and 4.2.1
 */
function issue(
  issuer: Issuer,
  commonName: string,
  publicKey: KeyObject,
  { from, until }: Validity,
  extensions: readonly Der[],
): string {
  const signed = sequence(
    explicit(0, integer(Buffer.of(2))),
    integer(newSerialNumber()),
    ecdsaWithSha256,
    nameOf(issuer.commonName),
    sequence(time(new Date(from)), time(new Date(until))),
    nameOf(commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(
      3,
      sequence(
        ...extensions,
        extension('2.5.29.14', false, octetString(keyIdentifier(publicKey))), // subjectKeyIdentifier
        extension('2.5.29.35', false, sequence(implicit(0, keyIdentifier(issuer.publicKey)))), // authorityKeyIdentifier
      ),
    ),
  )
  const der = sequence(signed, ecdsaWithSha256, bitString(sign('sha256', signed, issuer.key)))
  const lines = der.toString('base64').replaceAll(/(.{64})(?=.)/g, '$1\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

const newKeyPair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })

const pemOf = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' })

/** RFC 5758, section 3.2: the parameters are left out. */
const ecdsaWithSha256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'))

/** Positive, at most 20 bytes, never zero, and hard to guess. Source: RFC 5280, section 4.1.2.2 */
function newSerialNumber(): Buffer {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40
  return bytes
}

/** A distinguished name of organisation and common name; the latter holds at most 64 characters. */
const nameOf = (commonName: string): Der =>
  sequence(attribute('2.5.4.10', 'Busbar'), attribute('2.5.4.3', commonName.slice(0, 64)))

const attribute = (type: string, value: string): Der =>
  set(sequence(objectIdentifier(type), utf8String(value)))

const extension = (id: string, critical: boolean, value: Der): Der =>
  sequence(objectIdentifier(id), ...(critical ? [boolean(true)] : []), octetString(value))

/** SHA-1 of the public key's bits, as nearly everyone makes it. Source: RFC 5280, section 4.2.1.2, method 1 */
function keyIdentifier(publicKey: KeyObject): Buffer {
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const point = [Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]
  return createHash('sha1').update(Buffer.concat(point)).digest()
}

/** Source: RFC 5280, section 4.2.1.6: dNSName is [2], iPAddress is [7]. */
const generalName = (name: string): Der =>
  isIP(name) === 0 ? implicit(2, Buffer.from(name, 'latin1')) : implicit(7, addressBytes(name))

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  // The URL parser knows every spelling: it writes an embedded IPv4 address as hexadecimal groups.
  const spelled = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = spelled.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':'))
  const first = groups(head)
  const last = groups(tail ?? '')
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => '0')
  const bytes = Buffer.alloc(16)
  for (const [index, group] of [...first, ...zeros, ...last].entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2)
  return bytes
}
