import { eventSource, eventTypes } from './event-source.ts'

const data = (kind: string, version = 'ee059b2bb5bc48398a53b168c6cdcb10') => ({
  Id: `https://contoso.vault.azure.net/${kind.toLowerCase()}s/new${kind.toLowerCase()}/${version}`,
  VaultName: 'contoso',
  ObjectType: kind,
  ObjectName: `new${kind.toLowerCase()}`,
  Version: version,
  NBF: 1559081980,
  EXP: 1559082102,
})

const models = [
  ...['CertificateNewVersionCreated', 'CertificateNearExpiry', 'CertificateExpired', 'AccessPolicyChanged'],
  ...['KeyNewVersionCreated', 'KeyNearExpiry', 'KeyExpired'],
  ...['SecretNewVersionCreated', 'SecretNearExpiry', 'SecretExpired'],
].map((name) => `KeyVault${name}EventData`)

/** Source: learn.microsoft.com/azure/event-grid/event-schema-key-vault */
export const keyVault = eventSource({
  service: 'key-vault',
  topicType: 'Microsoft.KeyVault.vaults',
  provider: 'Microsoft.KeyVault',
  displayName: 'Azure Key Vault',
  description: 'Microsoft Key Vault service events.',
  resourceType: 'Microsoft.KeyVault/vaults',
  eventTypes: [
    ...eventTypes(
      'Microsoft.KeyVault',
      { dataVersion: '1', subject: ['{certificate}', 'newcertificate'] },
      {
        CertificateNewVersionCreated:
          'Triggered when a new certificate or new certificate version is created.',
        CertificateNearExpiry: 'Triggered when the current version of certificate is about to expire.',
        CertificateExpired: 'Triggered when the certificate is expired.',
      },
    ),
    ...eventTypes(
      'Microsoft.KeyVault',
      { dataVersion: '1', subject: ['{key}', 'newkey'] },
      {
        KeyNewVersionCreated: 'Triggered when a new key or new key version is created.',
        KeyNearExpiry: 'Triggered when the current version of a key is about to expire.',
        KeyExpired: 'Triggered when a key is expired.',
      },
    ),
    ...eventTypes(
      'Microsoft.KeyVault',
      { dataVersion: '1', subject: ['{secret}', 'newsecret'] },
      {
        SecretNewVersionCreated: 'Triggered when a new secret or new secret version is created.',
        SecretNearExpiry: 'Triggered when the current version of a secret is about to expire.',
        SecretExpired: 'Triggered when a secret is expired.',
      },
    ),
    ...eventTypes(
      'Microsoft.KeyVault',
      { dataVersion: '1', subject: ['{vault}', 'contoso'] },
      { VaultAccessPolicyChanged: 'Triggered when an access policy on Key Vault changed.' },
    ),
  ],
  documented: {
    examples: {
      CertificateNewVersionCreated: data('Certificate'),
      CertificateNearExpiry: data('Certificate'),
      CertificateExpired: data('Certificate'),
      KeyNewVersionCreated: data('Key'),
      KeyNearExpiry: data('Key'),
      KeyExpired: data('Key'),
      SecretNewVersionCreated: data('Secret'),
      SecretNearExpiry: data('Secret'),
      SecretExpired: data('Secret'),
      VaultAccessPolicyChanged: {
        Id: 'https://contoso.vault.azure.net',
        VaultName: 'contoso',
        ObjectType: 'Vault',
        ObjectName: 'contoso',
        Version: null,
        NBF: null,
        EXP: null,
      },
    },
    // The table says numbers, the sample has strings; what has no dates or version has null.
    corrections: Object.fromEntries(
      models.map((model) => [
        model,
        {
          optional: ['ObjectName', 'Version', 'NBF', 'EXP'],
          types: { NBF: ['number', 'string', 'null'], EXP: ['number', 'string', 'null'] },
        },
      ]),
    ),
  },
})
