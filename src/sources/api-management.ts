import { eventSource, eventTypes } from './event-source.ts'

const prefix = 'Microsoft.ApiManagement'
const dataVersion = '1'

/** Created, updated and deleted. */
const changes = (name: string, what: string) => ({
  [`${name}Created`]: `Raised when ${what} is created.`,
  [`${name}Updated`]: `Raised when ${what} is updated.`,
  [`${name}Deleted`]: `Raised when ${what} is deleted.`,
})

const gateway = (rest: string, example: string) =>
  [`/gateways/{gateway}${rest}`, `/gateways/mygateway${example}`] as const

/** Source: learn.microsoft.com/azure/event-grid/event-schema-api-management */
export const apiManagement = eventSource({
  service: 'api-management',
  provider: prefix,
  displayName: 'Azure API Management',
  description: 'Azure API Management service events.',
  resourceType: 'Microsoft.ApiManagement/service',
  eventTypes: [
    ...eventTypes(
      prefix,
      { dataVersion, subject: ['/users/{user}', '/users/apimuser-contoso-com'] },
      changes('User', 'a user'),
    ),
    ...eventTypes(
      prefix,
      { dataVersion, subject: ['/subscriptions/{subscription}', '/subscriptions/mysubscription'] },
      changes('Subscription', 'a subscription'),
    ),
    ...eventTypes(
      prefix,
      { dataVersion, subject: ['/products/{product}', '/products/myproduct'] },
      changes('Product', 'a product'),
    ),
    ...eventTypes(
      prefix,
      { dataVersion, subject: ['/apis/{api};Rev={revision}', '/apis/myapi;Rev=1'] },
      changes('API', 'an API'),
    ),
    ...eventTypes(
      prefix,
      {
        dataVersion,
        subject: ['/apis/{api}/releases/{release}', '/apis/myapi/releases/myrelease'],
      },
      changes('APIRelease', 'an API release'),
    ),
    ...eventTypes(
      prefix,
      { dataVersion, subject: gateway('', '') },
      changes('Gateway', 'a self-hosted gateway'),
    ),
    ...eventTypes(
      prefix,
      { dataVersion, subject: gateway('/apis/{api}', '/apis/myapi') },
      {
        GatewayAPIAdded: 'Raised when an API is added to a self-hosted gateway.',
        GatewayAPIRemoved: 'Raised when an API is removed from a self-hosted gateway.',
      },
    ),
    ...eventTypes(
      prefix,
      {
        dataVersion,
        subject: gateway('/certificateAuthorities/{certificate}', '/certificateAuthorities/mycertificate'),
      },
      changes('GatewayCertificateAuthority', 'a certificate authority of a self-hosted gateway'),
    ),
    ...eventTypes(
      prefix,
      {
        dataVersion,
        subject: gateway('/hostnameConfigurations/{hostname}', '/hostnameConfigurations/myhostname'),
      },
      changes('GatewayHostnameConfiguration', 'a hostname configuration of a self-hosted gateway'),
    ),
    ...eventTypes(
      prefix,
      { dataVersion, subject: gateway('/{instance}', '/myinstance') },
      {
        GatewayTokenNearExpiry: 'Raised when a self-hosted gateway access token is near expiry.',
        GatewayTokenExpired: 'Raised when a self-hosted gateway access token is expired.',
      },
    ),
    ...eventTypes(
      prefix,
      {
        dataVersion,
        subject: [
          '/backends/{backend}/circuit-breaker/rules/{rule}',
          '/backends/mybackend/circuit-breaker/rules/myrule',
        ],
      },
      {
        'CircuitBreaker.Opened': 'Raised when a backend circuit breaker is opened.',
        'CircuitBreaker.Closed': 'Raised when a backend circuit breaker is closed.',
      },
    ),
  ],
  documented: {
    samples: {
      resourceUri: '{topic}{subject}',
      backendName: 'mybackend',
      rules: { myrule: { tripDuration: '00:00:01' } },
      gatewayId: 'mygateway',
      instanceId: 'myinstance',
      expiredAtUtc: '2025-02-25T08:56:00.0000000Z',
      expiresAtUtc: '2025-02-25T08:56:00.0000000Z',
    },
  },
})
