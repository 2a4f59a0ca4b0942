/** A role that Azure knows from the start. */
export interface RoleDefinition {
  /** A guid, the same in every tenant. */
  readonly name: string
  readonly roleName: string
  readonly description: string
  readonly actions: readonly string[]
  readonly notActions: readonly string[]
  readonly dataActions: readonly string[]
}

const readers = ['Microsoft.Authorization/*/read', 'Microsoft.Resources/subscriptions/resourceGroups/read']
const listers = [
  'Microsoft.EventGrid/topicTypes/eventSubscriptions/read',
  'Microsoft.EventGrid/locations/eventSubscriptions/read',
  'Microsoft.EventGrid/locations/topicTypes/eventSubscriptions/read',
]
const managers = [
  'Microsoft.Insights/alertRules/*',
  'Microsoft.Resources/deployments/*',
  'Microsoft.Support/*',
]

/**
 * The built-in roles that concern Event Grid, and those above them. None but the sender's lets its holder publish:
 * not even an owner's does.
 *
 * Source: learn.microsoft.com/azure/role-based-access-control/built-in-roles; learn.microsoft.com/azure/event-grid/
 * security-authorization
 */
export const roleDefinitions: readonly RoleDefinition[] = [
  {
    name: 'd5a91429-5739-47e2-a06b-3470a27159e7',
    roleName: 'EventGrid Data Sender',
    description: 'Allows send access to event grid events.',
    actions: [
      ...readers,
      'Microsoft.EventGrid/topics/read',
      'Microsoft.EventGrid/domains/read',
      'Microsoft.EventGrid/partnerNamespaces/read',
      'Microsoft.EventGrid/namespaces/read',
    ],
    notActions: [],
    dataActions: ['Microsoft.EventGrid/events/send/action'],
  },
  {
    name: '1e241071-0855-49ea-94dc-649edcd759de',
    roleName: 'EventGrid Contributor',
    description: 'Lets you manage EventGrid operations.',
    actions: [...readers, 'Microsoft.EventGrid/*', ...managers],
    notActions: [],
    dataActions: [],
  },
  {
    name: '428e0ff0-5e57-4d9c-a221-2c70d0e0a443',
    roleName: 'EventGrid EventSubscription Contributor',
    description: 'Lets you manage EventGrid event subscription operations.',
    actions: [...readers, 'Microsoft.EventGrid/eventSubscriptions/*', ...listers, ...managers],
    notActions: [],
    dataActions: [],
  },
  {
    name: '2414bbcf-6497-4faf-8c65-045460748405',
    roleName: 'EventGrid EventSubscription Reader',
    description: 'Lets you read EventGrid event subscriptions.',
    actions: [...readers, 'Microsoft.EventGrid/eventSubscriptions/read', ...listers],
    notActions: [],
    dataActions: [],
  },
  {
    name: '8e3af657-a8ff-443c-a75c-2fe8c4bcb635',
    roleName: 'Owner',
    description:
      'Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.',
    actions: ['*'],
    notActions: [],
    dataActions: [],
  },
  {
    name: 'b24988ac-6180-42a0-ab88-20f7382dd24c',
    roleName: 'Contributor',
    description:
      'Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC.',
    actions: ['*'],
    notActions: [
      'Microsoft.Authorization/*/Delete',
      'Microsoft.Authorization/*/Write',
      'Microsoft.Authorization/elevateAccess/Action',
    ],
    dataActions: [],
  },
  {
    name: 'acdd72a7-3385-48ef-bd42-f606fba81ae7',
    roleName: 'Reader',
    description: 'View all resources, but does not allow you to make any changes.',
    actions: ['*/read'],
    notActions: [],
    dataActions: [],
  },
]

const byName = new Map(roleDefinitions.map((definition) => [definition.name, definition]))

/** By its id at any scope, such as `/subscriptions/S/providers/Microsoft.Authorization/roleDefinitions/GUID`. */
export function roleDefinitionOf(id: string): RoleDefinition | undefined {
  const [, name] =
    /^(?:\/subscriptions\/[^/]+(?:\/resourceGroups\/[^/]+)?)?\/providers\/Microsoft\.Authorization\/roleDefinitions\/([^/]+)$/i.exec(
      id,
    ) ?? []
  return name === undefined ? undefined : byName.get(name.toLowerCase())
}
