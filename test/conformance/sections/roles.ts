import { proved, type Section } from '../rule.ts'

const roleTests = 'test/roles.test.ts'
const vm = 'test/managed-identity.test.ts'
const appService = 'test/managed-identity-app-service.test.ts'
const principals = 'test/principals.test.ts'

export const roles: Section = {
  title: 'Who may manage',
  source:
    'learn.microsoft.com/azure/event-grid/security-authorization, azure/role-based-access-control, entra/identity/managed-identities-azure-resources',
  rules: [
    proved('A request that no role of its caller permits is refused with 403 `AuthorizationFailed`', [
      roleTests,
      'a principal without a role sees nothing and may do nothing',
    ]),
    proved('Each route needs the action of its type and verb, with the registered casing', [
      'src/arm/needed-access.test.ts',
      'Microsoft.Resources/subscriptions/resourceGroups/read on , or some',
    ]),
    proved('Reader reads everything and changes nothing', [
      roleTests,
      'a reader of the subscription reads everything in it, and changes nothing',
    ]),
    proved('Contributor manages resources and assigns no roles; a role counts on its scope and below it', [
      roleTests,
      'a contributor of a group manages what is in it, and neither assigns roles nor reads the next group',
    ]),
    proved('User Access Administrator assigns roles; EventGrid Contributor manages resources of Event Grid', [
      roleTests,
      'one who manages access assigns a role, which counts from the next request on',
    ]),
    proved(
      'EventGrid EventSubscription Contributor and Reader manage and read event subscriptions; a destination that is a resource takes the right to write it (`LinkedAuthorizationFailed`)',
      [
        roleTests,
        'one who manages event subscriptions makes them, and uses no resource that it may not write',
      ],
    ),
    proved(
      'Custom roles: `actions`, `notActions`, wildcards, `assignableScopes`',
      [roleTests, 'a custom role permits what it names, with wildcards and exceptions, until it is changed'],
      [roleTests, 'a custom role is changed by nobody who may not change it wherever it may be assigned'],
    ),
    proved('A deployment does what its caller may do', [
      roleTests,
      'a deployment does what its caller may do, and of a nested one in another group nothing',
    ]),
    {
      rule: 'Conditions of role assignments and of the permissions of a role',
      status: 'refused',
      note: 'with 400 `InvalidRequest`',
      provedBy: [
        [
          'src/arm/role-assignments.test.ts',
          'what is wrong with a role assignment is refused with its documented code',
        ],
      ],
    },
    {
      rule: 'Who may see the live stream, the trace and the dead letters of an event',
      status: 'differs',
      note: 'Azure has no such routes; their actions are of `Microsoft.EventGrid`, and named in docs/roles.md',
      provedBy: [
        [
          roleTests,
          'what is beside Resource Manager asks for roles too: tail, trace, dead letters, triggered events',
        ],
      ],
    },
    {
      rule: 'Service principals with a secret are made and deleted while the server runs',
      status: 'differs',
      note: 'by `busbar principal` and `/principals` in place of Microsoft Graph',
      provedBy: [
        [
          principals,
          'a principal that the command line made signs in and does what its role permits, also after a restart',
        ],
        [
          principals,
          'a principal that is deleted can neither sign in nor use the tokens that it has, from then on',
        ],
      ],
    },
    proved('`ClientAssertionCredential` of `@azure/identity` 4.14.1 signs in at Busbar', [
      'test/entra-administration.test.ts',
      'a principal signs in with an assertion that it makes itself, for this server and for no other',
    ]),
    proved(
      '`ManagedIdentityCredential` of `@azure/identity` 4.14.1, as on a virtual machine: the default identity, and user-assigned ones by client id, object id and resource id',
      [vm, 'the official client gets the default identity of this machine, and manages with it'],
      [
        vm,
        'the official client gets an identity that is a resource, by each of its names, and what its roles permit',
      ],
    ),
    proved('`ManagedIdentityCredential` of `@azure/identity` 4.14.1, as in App Service', [
      appService,
      'the official client gets an identity in the form of App Service, by the header that the data directory holds',
    ]),
    proved('`az login --identity` and `az login --service-principal` of 2.45.0', [
      'test/az.test.ts',
      'az signs in as a principal that was made here, and as the managed identity of this machine',
    ]),
  ],
}
