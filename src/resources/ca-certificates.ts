import type { X509Certificate } from 'node:crypto'
import { readCertificate } from '../client/certificate.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import { fields, readString } from '../wire/shape.ts'
import { namespaceChild, readDescription } from './namespace-parts.ts'
import type { Content, ResourceType } from './resource-type.ts'

/** A CA certificate's stored `properties`. */
export interface CaCertificateProperties {
  readonly description: string | null
  /** As it was given. */
  readonly encodedCertificate: string
  readonly issueTimeInUtc: string
  readonly expiryTimeInUtc: string
}

/** Of an authority that signs nothing, for examples. */
export const exampleAuthority = `-----BEGIN CERTIFICATE-----
MIIBjjCCATOgAwIBAgIUVwXYx0FjFssbJpNKIcc4JoqFDm8wCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQQ29udG9zbyBtYWNoaW5lczAgFw0yNjExMjUwODU4MTRaGA8y
MTI2MTEwMTA4NTgxNFowGzEZMBcGA1UEAwwQQ29udG9zbyBtYWNoaW5lczBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABP4yGci/7eP5jVVIxMriTV6xb4Aet64G9lw5
04+xi+UIjJbsEhR9wO1A8dl8N6xjU6LHk0Jl7sdH4Kh4SvNgaxSjUzBRMB0GA1Ud
DgQWBBRJaJK0QXH9vnRQonPI8TlPyjpPgDAfBgNVHSMEGDAWgBRJaJK0QXH9vnRQ
onPI8TlPyjpPgDAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCT
7d6aMOvYtCRlbfLueEwqL3GQxpzK6NbwaojPlkvfsAIhAPsonyLyUTbIzYGFTWBw
+l3DHyKf6f2kUgwz/rc3b8o3
-----END CERTIFICATE-----
`

/** A certificate is a few kilobytes. */
const certificateCharacters = 65_536

function decode(wire: Readonly<Record<string, unknown>>): Content {
  const from = fields(wire, 'properties')
  const at = from.at('encodedCertificate')
  const encodedCertificate = readString(from, 'encodedCertificate', certificateCharacters) ?? ''
  const certificate = readEncodedCertificate(encodedCertificate)
  if (!certificate)
    throw invalidProperty(at, 'one X.509 certificate in PEM, or the base64 text of it', encodedCertificate)
  if (!certificate.ca)
    throw invalidRequest(
      `The property '${at}' must be the certificate of an authority that signs client certificates; that of ` +
        `'${certificate.subject?.replaceAll('\n', ', ')}' says that it is none (basic constraints: CA).`,
      at,
    )
  const properties: CaCertificateProperties = {
    description: readDescription(from),
    encodedCertificate,
    issueTimeInUtc: certificate.validFromDate.toISOString(),
    expiryTimeInUtc: certificate.validToDate.toISOString(),
  }
  return { properties: { ...properties }, secrets: {} }
}

/** PEM, PEM in base64, or the base64 between its lines. */
export function readEncodedCertificate(text: string): X509Certificate | undefined {
  const pem = text.includes('-----BEGIN') ? text : Buffer.from(text, 'base64').toString('latin1')
  if (pem.includes('-----BEGIN'))
    return pem.split('-----BEGIN').length === 2 ? readCertificate(pem) : undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === 0 ? undefined : readCertificate(bytes)
}

/**
 * An authority, be it a root or not, whose certificates clients show.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-certificate-chain-client-authentication
 */
export const caCertificates: ResourceType = {
  ...namespaceChild,
  type: 'Microsoft.EventGrid/namespaces/caCertificates',
  quota: ({ mqttQuotas }) => mqttQuotas.caCertificates,
  decode,
  example: {
    name: 'machines-ca',
    body: {
      properties: {
        description: 'Signs the certificates of machines.',
        encodedCertificate: exampleAuthority,
      },
    },
  },
}
