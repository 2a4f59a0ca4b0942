import { nameTaken } from './errors.ts'
import type { UniqueParts } from './resource-type.ts'

/*
 * Where events are sent to. The path below the public URL is the address that needs no DNS, shown by default.
 * Location and name take part in it as they are: neither can hold a character that needs encoding.
 */

export const topicEndpointPath = (location: string, name: string): string =>
  `/topics/${location}/${name}/api/events`

export const domainEndpointPath = (location: string, name: string): string =>
  `/domains/${location}/${name}/api/events`

export const partnerNamespaceEndpointPath = (location: string, name: string): string =>
  `/partnerNamespaces/${location}/${name}/api/events`

/** Host names of the other address of a topic, domain or partner namespace, whose path is `/api/events`. */
export const topicEndpointHosts = (location: string, name: string): readonly string[] => [
  `${name}.${location}-1.eventgrid.azure.net`,
  `${name}.${location}-1.eventgrid.localhost`,
]

/**
 * A topic, a domain and a partner namespace of one region cannot have one name: it is the name of their host.
 *
 * Source: learn.microsoft.com/azure/event-grid/troubleshoot-errors, code 409
 */
export const uniqueEndpoint = ({ name, location = '' }: UniqueParts) => ({
  key: `endpoint ${location}/${name}`.toLowerCase(),
  taken: () => nameTaken(name),
})
