import { proved, type Section } from '../rule.ts'

const wire = 'test/mqtt-clients.test.ts'
const arm = 'src/arm/mqtt-resources.test.ts'
const room = 'src/permission/permission.test.ts'
const certificates = 'src/client/certificate.test.ts'
const queries = 'src/client/group-query.test.ts'
const templates = 'src/client/topic-template.test.ts'

export const mqttClients: Section = {
  title: 'MQTT clients: identity and permission',
  source:
    'learn.microsoft.com/azure/event-grid/mqtt-client-authentication, mqtt-clients, mqtt-client-groups, mqtt-topic-spaces, mqtt-access-control',
  rules: [
    proved('`clients`: create, read, list, delete, with defaults, attributes and thumbprints', [
      arm,
      'the generic client makes, reads, lists and deletes clients',
    ]),
    proved(
      'An authentication name cannot be changed, and is unique in the namespace whatever its letter case',
      [arm, 'an authentication name stays, and belongs to one client of the namespace'],
    ),
    proved('`clientGroups`, among them `$all`, which is there from the start', [
      arm,
      'the generic client makes, reads, lists and deletes client groups, and finds the built-in one',
    ]),
    proved('`topicSpaces` and `permissionBindings`; what a binding names cannot be deleted', [
      arm,
      'the generic client makes, reads, lists and deletes topic spaces and bindings, in the order that keeps them whole',
    ]),
    proved('`caCertificates`, with `issueTimeInUtc` and `expiryTimeInUtc`', [
      arm,
      'the generic client makes, reads, lists and deletes CA certificates, and sees when they end',
    ]),
    {
      rule: 'Quotas: 10,000 clients for each throughput unit, 10 CA certificates, client groups, topic spaces and templates, 100 bindings',
      note: 'defaults; `limits` in the configuration file sets others',
      provedBy: [
        [arm, 'a namespace has as many of each as the limits say, and the built-in group is not counted'],
      ],
    },
    {
      rule: 'Names of client resources are told apart by letter case',
      status: 'differs',
      note: 'two that differ in nothing else are one resource here, as with every other type',
      provedBy: [[arm, 'an authentication name stays, and belongs to one client of the namespace']],
    },
    proved(
      'Certificates signed by a registered CA, and thumbprints, over 8883 and WebSocket, in both versions',
      [wire, 'one of a CA and one by thumbprint'],
    ),
    proved(
      'Every validation scheme, with intermediate certificates that the client sends',
      [
        wire,
        'each validation scheme lets in who bears the name where it looks, with the intermediates that are sent along',
      ],
      [
        certificates,
        'what lies between is to be sent along, and a registered intermediate is an anchor by itself',
      ],
    ),
    proved('`alternativeAuthenticationNameSources`, in their order, where a client sends no user name', [
      room,
      'without a user name the configured fields are asked in their order, until one names a client',
    ]),
    proved(
      'A client without name, registration or a good certificate is refused: 0x87, and 5 in version 3.1.1',
      [wire, 'nobody comes in without a name, a registration or a certificate that counts'],
    ),
    proved('A certificate that expires while its client is connected ends the connection', [
      wire,
      'a certificate that expires takes its client with it',
    ]),
    proved(
      '`OAUTH2-JWT`: principals of Microsoft Entra ID, whose roles on topic spaces say what they may do',
      [wire, 'a principal of Microsoft Entra ID may do what its roles say, for as long as they do'],
    ),
    proved(
      '`CUSTOM-JWT`: tokens of the namespace’s issuer, whose other claims are attributes',
      [room, 'a token of the namespace’s issuer lets its subject in, with its other claims as attributes'],
      [room, 'a token that is wrong in one thing is refused for it'],
    ),
    {
      rule: 'Certificates of the issuer from Azure Key Vault (`issuerCertificates`)',
      status: 'differs',
      note: 'fetched from any URL that answers PEM or the JSON of a certificate without a token; a vault that asks for one is not reached: use `encodedIssuerCertificates`',
      provedBy: [
        [
          room,
          'certificates of the issuer are fetched from their URL, as PEM or as a key vault has them, and kept',
        ],
      ],
    },
    proved('AUTH renews a client, and a token that expires without it ends the connection', [
      wire,
      'a client with a token of the namespace’s issuer comes in, renews it by AUTH, and is cut when it has expired',
    ]),
    proved(
      'Webhook authentication, with a token of Microsoft Entra ID: allow, deny 0x87, failure 0x88',
      [wire, 'a webhook over HTTPS says who a user with a password is, or that it is nobody'],
      [wire, 'a webhook that fails, or takes its time, is a server that is unavailable'],
    ),
    {
      rule: 'A managed identity of the namespace asks for the tokens that webhooks are sent',
      status: 'differs',
      note: 'they are of Busbar’s own issuer, or of the one that `auth.webhookTokens` names; which identity is named makes no difference',
      provedBy: [[wire, 'a webhook over HTTPS says who a user with a password is, or that it is nobody']],
    },
    proved('A session belongs to the client that made it; another one is refused', [
      wire,
      "another client that presents a session's name is refused, and its owner stays",
    ]),
    proved('`maximumClientSessionsPerAuthenticationName` counts absent sessions too', [
      wire,
      'a client has as many sessions as the namespace allows, absent ones included',
    ]),
    proved(
      'The query language of client groups',
      [queries, 'attributes.sensors IN ["humidity", "light"]'],
      [
        queries,
        '(attributes.sensors = "motion" or attributes.sensors = "humidity") and attributes.floor > 5',
      ],
    ),
    proved(
      'Topic templates with variables, and the text that follows one',
      [templates, 'machines/Machine1.factory1/temp'],
      [templates, 'areas/+/machines/#'],
    ),
    proved(
      'A publisher without the right is answered 0x87, or cut where there is no answer; a subscriber 0x87',
      [wire, 'a machine publishes and subscribes to its own topics, and to no other'],
    ),
    proved(
      'Changes of clients, groups, topic spaces, bindings and roles disconnect who has lost a subscription',
      [wire, 'what changes for a connected client changes at once'],
      [wire, 'a life-cycle event says whether a client was cut for who it is or for what it may do'],
    ),
    proved(
      'An absent client that lost a subscription loses its session; that of a deleted one stays reserved',
      [
        wire,
        'an absent client that loses the right to a subscription loses its session, and a deleted one keeps its name taken',
      ],
    ),
    proved('`inboundIpRules` hold for MQTT clients, connected ones included', [
      wire,
      'addresses that the namespace lets in may connect, and others not, connected ones included',
    ]),
  ],
}
