import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'

/*
 * What a client certificate says of its holder.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-client-certificate-authentication
 */

export const validationSchemes = [
  'SubjectMatchesAuthenticationName',
  'DnsMatchesAuthenticationName',
  'UriMatchesAuthenticationName',
  'IpMatchesAuthenticationName',
  'EmailMatchesAuthenticationName',
  'ThumbprintMatch',
] as const

export type ValidationScheme = (typeof validationSchemes)[number]

/** The fields of a certificate that may name a client, in the words of `alternativeAuthenticationNameSources`. */
export const nameSources = [
  'ClientCertificateSubject',
  'ClientCertificateDns',
  'ClientCertificateUri',
  'ClientCertificateIp',
  'ClientCertificateEmail',
] as const

export type NameSource = (typeof nameSources)[number]

/** Alternative names of one kind beyond these are not looked at. */
const namesLookedAt = 100

/** The names in a field, in the order of the certificate. A subject's are its common names and then the whole of it. */
export function namesIn(certificate: X509Certificate, source: NameSource): readonly string[] {
  switch (source) {
    case 'ClientCertificateSubject':
      return [...commonNamesOf(certificate), ...distinguishedNamesOf(certificate)]
    case 'ClientCertificateDns':
      return alternativeNames(certificate, 'DNS')
    case 'ClientCertificateUri':
      return alternativeNames(certificate, 'URI')
    case 'ClientCertificateIp':
      return alternativeNames(certificate, 'IP Address')
    case 'ClientCertificateEmail':
      return alternativeNames(certificate, 'email')
  }
}

const sourceOf: Readonly<Record<Exclude<ValidationScheme, 'ThumbprintMatch'>, NameSource>> = {
  SubjectMatchesAuthenticationName: 'ClientCertificateSubject',
  DnsMatchesAuthenticationName: 'ClientCertificateDns',
  UriMatchesAuthenticationName: 'ClientCertificateUri',
  IpMatchesAuthenticationName: 'ClientCertificateIp',
  EmailMatchesAuthenticationName: 'ClientCertificateEmail',
}

/** Whether the field that the scheme asks about holds the name; authentication names have no letter case. */
export function bearsName(
  certificate: X509Certificate,
  scheme: Exclude<ValidationScheme, 'ThumbprintMatch'>,
  authenticationName: string,
): boolean {
  const source = sourceOf[scheme]
  const normalize = source === 'ClientCertificateIp' ? normalizeAddress : normalizeName
  const wanted = normalize(authenticationName)
  return namesIn(certificate, source).some((name) => normalize(name) === wanted)
}

const hexOf = (text: string) => text.replace(/[\s:]/g, '').toLowerCase()

/** A SHA-1 or SHA-256 thumbprint in lower-case hex without separators; undefined when it is neither. */
export function normalizeThumbprint(text: string): string | undefined {
  const hex = hexOf(text)
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(hex) ? hex : undefined
}

/** SHA-1 and SHA-256, as `normalizeThumbprint` writes them. */
export const thumbprintsOf = ({ fingerprint, fingerprint256 }: X509Certificate): readonly string[] =>
  [fingerprint, fingerprint256].map(hexOf)

/** Undefined for bytes that are no certificate. */
export function readCertificate(bytes: Uint8Array | string): X509Certificate | undefined {
  try {
    return new X509Certificate(bytes)
  } catch {
    // What is no certificate is not one: the caller says what was expected.
    return undefined
  }
}

export function commonNamesOf(certificate: X509Certificate): readonly string[] {
  const { CN } = (certificate.toLegacyObject().subject ?? {}) as { CN?: string | readonly string[] }
  return CN === undefined ? [] : [CN].flat()
}

/**
 * The ways to write the whole subject: as the certificate has it, and the other way round.
 *
 * Source: RFC 4514, section 2.1: "starting with the last element of the sequence and moving backwards"
 */
function distinguishedNamesOf({ subject }: X509Certificate): readonly string[] {
  if (subject === undefined || subject === '') return []
  const parts = subject.split('\n')
  return [parts.join(','), parts.toReversed().join(',')]
}

/** `DNS:a.example, URI:"urn:a,b", IP Address:10.0.0.1`; what holds a comma or a quote stands in quotes as JSON. */
const alternativeName = /(?<kind>[A-Za-z][A-Za-z ]*):(?<value>"(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gsuy

function alternativeNames({ subjectAltName = '' }: X509Certificate, kind: string): readonly string[] {
  const found: string[] = []
  for (const { groups = {} } of subjectAltName.matchAll(alternativeName)) {
    if (groups.kind !== kind || groups.value === undefined || groups.value === '') continue
    found.push(groups.value.startsWith('"') ? (JSON.parse(groups.value) as string) : groups.value)
    if (found.length === namesLookedAt) break
  }
  return found
}

/** Without the blanks that some write after the commas of a distinguished name. */
const normalizeName = (name: string) => name.replace(/,\s+/g, ',').toLowerCase()

function normalizeAddress(address: string): string {
  if (isIP(address) !== 6) return address
  return URL.parse(`http://[${address}]`)?.hostname ?? address
}
