/**
 * Path of a topic's endpoint below the public URL: the address that needs no DNS, shown by default.
 * Location and name take part in it as they are: neither can hold a character that needs encoding.
 */
export const topicEndpointPath = (location: string, name: string): string =>
  `/topics/${location}/${name}/api/events`

/** Host names of a topic's other address, whose path is `/api/events`. */
export const topicEndpointHosts = (location: string, name: string): readonly string[] => [
  `${name}.${location}-1.eventgrid.azure.net`,
  `${name}.${location}-1.eventgrid.localhost`,
]
