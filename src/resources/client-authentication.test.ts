import assert from 'node:assert/strict'
import { test } from 'node:test'
import { issueTestCertificate } from '../testing/client-certificates.ts'
import { fields } from '../wire/shape.ts'
import { decodeClientAuthentication, webhookUrlSecret } from './client-authentication.ts'
import type { Capabilities } from './resource-type.ts'

const decode = (
  clientAuthentication: unknown,
  {
    allowHttpWebhooks = false,
    secrets = {},
    before = {},
  }: { allowHttpWebhooks?: boolean; secrets?: Record<string, string>; before?: Record<string, string> } = {},
) =>
  decodeClientAuthentication(
    fields({ clientAuthentication }, 'properties.topicSpacesConfiguration'),
    secrets,
    {
      capabilities: { allowHttpWebhooks } as Capabilities,
      before: { properties: {}, secrets: before },
    },
  )

const issuer = issueTestCertificate({ subject: 'CN=issuer', rsa: true })
const webhook = {
  identity: { type: 'SystemAssigned' },
  endpointUrl: 'https://example.org/auth?code=1',
  azureActiveDirectoryApplicationIdOrUri: 'api://app',
  azureActiveDirectoryTenantId: '00000000-0000-0000-0000-000000000001',
}

test('what a namespace says of the authentication of clients is read, in any letter case of words', async () => {
  assert.equal(decode(undefined), null)
  assert.deepEqual(decode({}), {
    alternativeAuthenticationNameSources: null,
    customJwtAuthentication: null,
    webhookAuthentication: null,
  })
  const { cert: encodedCertificate } = await issuer
  const secrets: Record<string, string> = {}
  const given = {
    alternativeAuthenticationNameSources: ['clientcertificatedns', 'ClientCertificateSubject'],
    customJwtAuthentication: {
      tokenIssuer: 'https://issuer.example.org/',
      issuerCertificates: [{ certificateUrl: 'https://vault.example.org/certificates/one' }],
      encodedIssuerCertificates: [{ kid: 'one', encodedCertificate }],
    },
    webHookAuthentication: webhook,
  }
  const read = decode(given, { secrets })
  const { endpointUrl, ...shown } = webhook
  assert.deepEqual(read, {
    alternativeAuthenticationNameSources: ['ClientCertificateDns', 'ClientCertificateSubject'],
    customJwtAuthentication: {
      tokenIssuer: 'https://issuer.example.org/',
      issuerCertificates: [{ certificateUrl: 'https://vault.example.org/certificates/one', identity: null }],
      encodedIssuerCertificates: [{ kid: 'one', encodedCertificate }],
    },
    webhookAuthentication: {
      ...shown,
      identity: { type: 'SystemAssigned', userAssignedIdentity: null },
      endpointBaseUrl: 'https://example.org/auth',
    },
  })
  assert.equal(secrets[webhookUrlSecret], endpointUrl)
  const again: Record<string, string> = {}
  assert.deepEqual(decode(read, { before: secrets, secrets: again }), read)
  assert.deepEqual(again, secrets)
})

test('what cannot be is refused with the path of the property', async () => {
  const ec = await issueTestCertificate({ subject: 'CN=issuer' })
  const jwt = (more: object) => ({ customJwtAuthentication: { tokenIssuer: 'i', ...more } })
  const hook = (more: object) => ({ webhookAuthentication: { ...webhook, ...more } })
  const url = { certificateUrl: 'https://a/' }
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [[], /clientAuthentication' must be an object/],
    [
      { alternativeAuthenticationNameSources: ['Email'] },
      /Sources\[0\]' must be one of ClientCertificateSubject/,
    ],
    [{ alternativeAuthenticationNameSources: [null] }, /Sources\[0\]' must be one of/],
    [
      { alternativeAuthenticationNameSources: ['ClientCertificateIp', 'ClientCertificateIp'] },
      /must be an array that names each source once/,
    ],
    [{ customJwtAuthentication: {} }, /tokenIssuer' must be the issuer of the tokens/],
    [jwt({}), /must name 1 or 2 certificates of the issuer/],
    [jwt({ encodedIssuerCertificates: [{}] }), /\[0\]\.kid' must be the key id/],
    [
      jwt({ encodedIssuerCertificates: [{ kid: 'a', encodedCertificate: 'x' }] }),
      /must be an X.509 certificate in PEM/,
    ],
    [
      jwt({ encodedIssuerCertificates: [{ kid: 'a', encodedCertificate: ec.cert }] }),
      /with an RSA key, for tokens are signed with RS256/,
    ],
    [jwt({ issuerCertificates: [{ certificateUrl: 'http://a/' }] }), /certificateUrl' must be an HTTPS URL/],
    [jwt({ issuerCertificates: [url, url, url] }), /at most 2 items/],
    [hook({ endpointUrl: undefined }), /endpointUrl' must be an HTTPS URL/],
    [hook({ endpointUrl: 'https://u:p@a/' }), /without user name and password/],
    [hook({ azureActiveDirectoryTenantId: 'a/b' }), /must be the id or a domain of a tenant/],
    [hook({ azureActiveDirectoryApplicationIdOrUri: '' }), /must be the id or URI of an application/],
    [hook({ identity: null }), /identity' must be an identity of the namespace/],
    [hook({ identity: { type: 'None' } }), /identity\.type' must be one of SystemAssigned, UserAssigned/],
    [hook({ identity: { type: 'UserAssigned' } }), /userAssignedIdentity' must be the ARM id/],
    [hook({ identity: { type: 'SystemAssigned', userAssignedIdentity: 'x' } }), /must be left out/],
  ]
  for (const [value, message] of cases)
    assert.throws(() => decode(value), { code: 'InvalidRequest', message }, JSON.stringify(value))
})

test('plain HTTP is for development', () => {
  const webhookAuthentication = { ...webhook, endpointUrl: 'http://127.0.0.1/' }
  decode({ webhookAuthentication }, { allowHttpWebhooks: true })
  assert.throws(() => decode({ webhookAuthentication }), /must be an HTTPS URL/)
})
