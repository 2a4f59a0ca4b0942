import { RequestError } from '../base/errors.ts'
import { show } from '../wire/errors.ts'
import type { TopicTypeFacts } from './resource-type.ts'

/*
 * Refusals that the resource provider itself makes. Codes and texts are the service's where they are known.
 * Source: learn.microsoft.com/azure/event-grid/troubleshoot-errors
 */

export const propertyChangeNotAllowed = (path: string, from: unknown, to: unknown) =>
  new RequestError(
    400,
    'PropertyChangeNotAllowed',
    `Changing property '${path}' is not allowed: it is ${show(from)} and was given as ${show(to)}.`,
    { target: path },
  )

export const nameTaken = (name: string) =>
  new RequestError(409, 'Conflict', `The specified resource name '${name}' is already in use.`)

/** Source: learn.microsoft.com/azure/event-grid/quotas-limits; the limit is the operator's to set. */
export const quotaReached = (type: string, parentId: string, quota: number) =>
  new RequestError(
    409,
    'Conflict',
    `The limit of ${quota} resources of type '${type}' on '${parentId}' is reached: delete one, or raise the limit.`,
  )

/** Source: learn.microsoft.com/azure/event-grid/mqtt-clients, "Authentication name" */
export const authenticationNameTaken = (authenticationName: string) =>
  new RequestError(
    409,
    'Conflict',
    `Another client of the namespace has the authentication name '${authenticationName}'; letter case tells none apart.`,
    { target: 'properties.authenticationName' },
  )

export const inUse = (id: string, by: string) =>
  new RequestError(409, 'Conflict', `'${id}' cannot be deleted while '${by}' names it.`)

export const isBuiltIn = (id: string) =>
  new RequestError(
    409,
    'Conflict',
    `'${id}' is built in: it can be read and named by others, and neither made, changed nor deleted.`,
  )

/** Source: learn.microsoft.com/azure/role-based-access-control/troubleshooting */
export const roleDefinitionDoesNotExist = (id: string) =>
  new RequestError(
    400,
    'RoleDefinitionDoesNotExist',
    `The specified role definition with ID '${id}' does not exist. Busbar knows the built-in roles of Event Grid, Owner, ` +
      'Contributor, Reader and User Access Administrator, and the custom roles that were made here.',
    { target: 'properties.roleDefinitionId' },
  )

export const roleAssignmentUpdateNotPermitted = () =>
  new RequestError(
    400,
    'RoleAssignmentUpdateNotPermitted',
    'Tenant ID, application ID, principal ID, and scope are not allowed to be updated.',
  )

export const roleAssignmentNotFound = (id: string) =>
  new RequestError(
    404,
    'RoleAssignmentNotFound',
    `The role assignment '${id.slice(id.lastIndexOf('/') + 1)}' is not found.`,
  )

/** Source: learn.microsoft.com/azure/role-based-access-control/custom-roles, "AssignableScopes" */
export const scopeNotAssignable = (scope: string, roleName: string) =>
  new RequestError(
    400,
    'RoleAssignmentScopeNotAssignableToRoleDefinition',
    `The assignment scope '${scope}' is not assignable to role definition '${roleName}'.`,
  )

export const roleNameTaken = (roleName: string) =>
  new RequestError(
    409,
    'RoleDefinitionWithSameNameExists',
    `A custom role with the same name already exists in this directory: '${roleName}'. Use a different name.`,
    { target: 'properties.roleName' },
  )

export const roleHasAssignments = (roleName: string) =>
  new RequestError(
    400,
    'RoleDefinitionHasAssignments',
    `There are existing role assignments referencing role '${roleName}': delete them first.`,
  )

export const customRoleNotFound = (id: string) =>
  new RequestError(
    404,
    'RoleDefinitionDoesNotExist',
    `The specified role definition with ID '${id.slice(id.lastIndexOf('/') + 1)}' does not exist.`,
  )

export const roleAssignmentExists = () =>
  new RequestError(409, 'RoleAssignmentExists', 'The role assignment already exists.')

/** Source: learn.microsoft.com/azure/event-grid/event-domains, "Domain topic management" */
export const domainTopicNotFound = (id: string) =>
  new RequestError(
    404,
    'ParentResourceNotFound',
    `The domain topic '${id}' does not exist, and its domain makes none with the first event subscription (autoCreateTopicWithFirstSubscription: false).`,
  )

/** Source: learn.microsoft.com/azure/event-grid/partner-events-overview, "Partner configuration" */
export const partnerNotAuthorized = (partner: string, group: string) =>
  new RequestError(
    403,
    'AuthorizationFailed',
    `The partner '${partner}' is not authorized to make resources in '${group}': its partner configuration does not list the partner, or no longer.`,
  )

export const twinTaken = (id: string) =>
  new RequestError(409, 'Conflict', `'${id}' exists already and belongs to another channel or partner.`)

/** Source: learn.microsoft.com/azure/event-grid/system-topics: "one system topic per source" */
export const sourceTaken = (source: string) =>
  new RequestError(
    409,
    'Conflict',
    `Only one system topic is allowed per source, and there is one of '${source}' already.`,
  )

export const raisesNoEvents = (topicType: string) =>
  new RequestError(
    400,
    'InvalidRequest',
    `An event subscription must be on what raises events; got one of '${topicType}', which is no topic type that is known.`,
  )

/** @param known what is known of the topic type that was given */
export const notRaisedBy = (source: string, topicType: string, known: TopicTypeFacts | undefined) =>
  new RequestError(
    400,
    'InvalidRequest',
    known && known.eventTypes.length > 0
      ? `The property 'properties.source' must be the id of what raises '${known.name}', such as ${known.sourceFormat}; got '${source}'.`
      : `The property 'properties.topicType' must be a topic type whose events a service raises, as GET /providers/Microsoft.EventGrid/topicTypes lists them; got '${topicType}'.`,
    { target: known && known.eventTypes.length > 0 ? 'properties.source' : 'properties.topicType' },
  )

export const lockNotFound = (id: string) =>
  new RequestError(404, 'LockNotFound', `The lock '${id}' could not be found.`)
