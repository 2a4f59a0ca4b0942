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

/** What a role permits; a custom role may have several of these. `*` in an action stands for any text. */
export interface RolePermission {
  readonly actions: readonly string[]
  readonly notActions: readonly string[]
  readonly dataActions: readonly string[]
  readonly notDataActions: readonly string[]
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

const dataReaders = [
  'Microsoft.EventGrid/topics/read',
  'Microsoft.EventGrid/domains/read',
  'Microsoft.EventGrid/partnerNamespaces/read',
  'Microsoft.EventGrid/namespaces/read',
]
const namespaceReaders = [
  'Microsoft.EventGrid/namespaces/read',
  'Microsoft.EventGrid/namespaces/topics/read',
  'Microsoft.EventGrid/namespaces/topics/eventSubscriptions/read',
]
const spaceReaders = [
  'Microsoft.EventGrid/namespaces/read',
  'Microsoft.EventGrid/namespaces/topicSpaces/read',
]
const send = 'Microsoft.EventGrid/events/send/action'
const receive = 'Microsoft.EventGrid/events/receive/action'

/**
 * The built-in roles that concern Event Grid and IoT hubs, and those above them. None but those of the data plane lets its holder
 * publish or receive: not even an owner's does.
 *
 * Source: learn.microsoft.com/azure/role-based-access-control/built-in-roles; learn.microsoft.com/azure/event-grid/
 * security-authorization
 */
export const roleDefinitions: readonly RoleDefinition[] = [
  {
    name: 'd5a91429-5739-47e2-a06b-3470a27159e7',
    roleName: 'EventGrid Data Sender',
    description: 'Allows send access to event grid events.',
    actions: [...readers, ...dataReaders],
    notActions: [],
    dataActions: [send],
  },
  {
    name: '78cbd9e7-9798-4e2e-9b5a-547d9ebb31fb',
    roleName: 'EventGrid Data Receiver',
    description: 'Allows receive access to event grid events.',
    actions: [...readers, ...namespaceReaders],
    notActions: [],
    dataActions: [receive],
  },
  {
    name: '1d8c3fe3-8864-474b-8749-01e3783e8157',
    roleName: 'EventGrid Data Contributor',
    description: 'Allows send and receive access to event grid events.',
    actions: [...readers, ...dataReaders, ...namespaceReaders.slice(1)],
    notActions: [],
    dataActions: [send, receive],
  },
  {
    name: 'a12b0b94-b317-4dcd-84a8-502ce99884c6',
    roleName: 'EventGrid TopicSpaces Publisher',
    description: 'Lets you publish messages on topicspaces.',
    actions: [...readers, ...spaceReaders],
    notActions: [],
    dataActions: ['Microsoft.EventGrid/topicSpaces/publish/action'],
  },
  {
    name: '4b0f2fd7-60b4-4eca-896f-4435034f8bf5',
    roleName: 'EventGrid TopicSpaces Subscriber',
    description: 'Lets you subscribe messages on topicspaces.',
    actions: [...readers, ...spaceReaders],
    notActions: [],
    dataActions: ['Microsoft.EventGrid/topicSpaces/subscribe/action'],
  },
  {
    name: '4fc6c259-987e-4a07-842e-c321cc9d413f',
    roleName: 'IoT Hub Data Contributor',
    description: 'Allows for full access to IoT Hub data plane operations.',
    actions: [],
    notActions: [],
    dataActions: ['Microsoft.Devices/IotHubs/*'],
  },
  {
    name: 'b447c946-2db7-41ec-983d-d8bf3b1c77e3',
    roleName: 'IoT Hub Data Reader',
    description: 'Allows for full read access to IoT Hub data-plane properties',
    actions: [],
    notActions: [],
    dataActions: [
      'Microsoft.Devices/IotHubs/*/read',
      'Microsoft.Devices/IotHubs/fileUpload/notifications/action',
    ],
  },
  {
    name: '4ea46cd5-c1b2-4a8e-910b-273211f9ce47',
    roleName: 'IoT Hub Registry Contributor',
    description: 'Allows for full access to IoT Hub device registry.',
    actions: [],
    notActions: [],
    dataActions: ['Microsoft.Devices/IotHubs/devices/*'],
  },
  {
    name: '494bdba2-168f-4f31-a0a1-191d2f7c028c',
    roleName: 'IoT Hub Twin Contributor',
    description: 'Allows for read and write access to all IoT Hub device and module twins.',
    actions: [],
    notActions: [],
    dataActions: ['Microsoft.Devices/IotHubs/twins/*'],
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
    actions: [
      ...readers,
      'Microsoft.EventGrid/eventSubscriptions/*',
      'Microsoft.EventGrid/systemTopics/eventSubscriptions/*',
      'Microsoft.EventGrid/partnerTopics/eventSubscriptions/*',
      ...listers,
      ...managers,
    ],
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
  {
    name: '18d7d88d-d35e-4fb5-a5c3-7773c20a72d9',
    roleName: 'User Access Administrator',
    description: 'Lets you manage user access to Azure resources.',
    actions: ['*/read', 'Microsoft.Authorization/*', 'Microsoft.Support/*'],
    notActions: [],
    dataActions: [],
  },
]

const byName = new Map(roleDefinitions.map((definition) => [definition.name, definition]))

/** By its id at any scope, such as `/subscriptions/S/providers/Microsoft.Authorization/roleDefinitions/GUID`. */
export function roleDefinitionOf(id: string): RoleDefinition | undefined {
  const name = roleNameIn(id)
  return name === undefined ? undefined : byName.get(name)
}

/** The guid in the id of a role definition at any scope, in lower case; undefined when it is no such id. */
export function roleNameIn(id: string): string | undefined {
  const [, name] =
    /^(?:\/subscriptions\/[^/]+(?:\/resourceGroups\/[^/]+)?)?\/providers\/Microsoft\.Authorization\/roleDefinitions\/([^/]+)$/i.exec(
      id,
    ) ?? []
  return name?.toLowerCase()
}
