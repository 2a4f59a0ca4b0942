import { randomBytes, type X509Certificate } from 'node:crypto'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import { fields, readBoolean, readString, type WireObject } from '../wire/shape.ts'
import { bodyEtagOf } from './body-etag.ts'
import { exampleAuthority, readEncodedCertificate } from './ca-certificates.ts'
import type { Action, Content, DecodeContext, ResourceType } from './resource-type.ts'

/** A CA certificate of an IoT hub, its stored `properties`. */
export interface HubCertificateProperties {
  /** As it was given. */
  readonly certificate: string
  /** Only then devices may come by it. */
  readonly isVerified: boolean
  /** What the subject of a certificate must be that proves possession of the key; until it is proved. */
  readonly verificationCode?: string
}

/** A certificate is a few kilobytes. */
const certificateCharacters = 65_536
/** Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling */
const certificatesPerHub = 25
const verificationCodeBytes = 24

const propertiesOf = ({ properties }: Pick<Content, 'properties'>) =>
  properties as unknown as HubCertificateProperties

const contentOf = (properties: HubCertificateProperties): Content => ({
  properties: { ...properties },
  secrets: {},
})

function decode(wire: WireObject, { before }: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const at = from.at('certificate')
  const certificate = readString(from, 'certificate', certificateCharacters) ?? ''
  const read = readEncodedCertificate(certificate)
  if (!read)
    throw invalidProperty(
      at,
      'one X.509 certificate in PEM, or the base64 text of it',
      certificate.slice(0, 50),
    )
  if (!read.ca)
    throw invalidRequest(
      `The property '${at}' must be the certificate of an authority that signs those of devices; that of ` +
        `'${oneLine(read)}' says that it is none (basic constraints: CA).`,
      at,
    )
  const isVerified = readBoolean(from, 'isVerified')
  const known = before && propertiesOf(before)
  const isSame = known && readEncodedCertificate(known.certificate)?.fingerprint256 === read.fingerprint256
  return contentOf({
    certificate,
    isVerified: isVerified ?? (isSame ? known.isVerified : false),
    ...(isSame && known.verificationCode !== undefined && { verificationCode: known.verificationCode }),
  })
}

const oneLine = ({ subject }: X509Certificate): string => (subject ?? '').replaceAll('\n', ', ')

/** Source: learn.microsoft.com/azure/iot-hub/tutorial-x509-prove-possession */
const generateVerificationCode: Action = (content) => ({
  content: contentOf({
    ...propertiesOf(content),
    isVerified: false,
    verificationCode: randomBytes(verificationCodeBytes).toString('hex').toUpperCase(),
  }),
})

const verify: Action = (content, body) => {
  const { verificationCode, ...properties } = propertiesOf(content)
  const given = readString(fields(body ?? {}, ''), 'certificate', certificateCharacters) ?? ''
  const proof = readEncodedCertificate(given)
  if (!proof)
    throw invalidProperty(
      'certificate',
      'one X.509 certificate in PEM, or the base64 text of it',
      given.slice(0, 50),
    )
  if (verificationCode === undefined)
    throw invalidRequest(
      'There is no verification code: generate one first (generateVerificationCode).',
      'certificate',
    )
  const authority = readEncodedCertificate(properties.certificate) as X509Certificate
  const { CN } = (proof.toLegacyObject().subject ?? {}) as { CN?: string | readonly string[] }
  if (![CN].flat().includes(verificationCode))
    throw invalidRequest(
      'The subject of the certificate must be CN= and the verification code.',
      'certificate',
    )
  if (!(proof.checkIssued(authority) && proof.verify(authority.publicKey)))
    throw invalidRequest('The certificate was not signed with the key of this authority.', 'certificate')
  return { content: contentOf({ ...properties, isVerified: true }) }
}

/**
 * An authority of an IoT hub, be it a root or not, whose certificates devices show.
 *
 * Source: learn.microsoft.com/rest/api/iothub/certificates and azure/iot-hub/authenticate-authorize-x509
 */
export const hubCertificates: ResourceType = {
  type: 'Microsoft.Devices/IotHubs/certificates',
  childForms: [],
  scope: 'child',
  extension: undefined,
  tracked: false,
  hasIdentity: false,
  name: { pattern: /^[A-Za-z0-9._-]{1,64}$/, rule: '1 to 64 letters, digits, dots, hyphens or underscores' },
  reservedPrefixes: [],
  longRunning: false,
  statuses: { create: 201, replace: 200, update: 200, delete: 200 },
  unique: undefined,
  quota: () => certificatesPerHub,
  companion: undefined,
  envelope: {
    check: () => {},
    encode: (_apiVersion, resource) => ({ etag: bodyEtagOf(resource) }),
  },
  decode,
  patch: undefined,
  encode: ({ provisioningState, properties, createdAt, changedAt }) => {
    const stored = properties as unknown as HubCertificateProperties
    const read = readEncodedCertificate(stored.certificate)
    return {
      provisioningState,
      ...(read && {
        subject: oneLine(read),
        expiry: read.validToDate.toUTCString(),
        thumbprint: read.fingerprint.replaceAll(':', ''),
      }),
      created: new Date(createdAt).toUTCString(),
      updated: new Date(changedAt).toUTCString(),
      ...stored,
    }
  },
  actions: { generateVerificationCode, verify },
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: {
    name: 'factory-ca',
    body: { properties: { isVerified: true, certificate: exampleAuthority } },
  },
}
