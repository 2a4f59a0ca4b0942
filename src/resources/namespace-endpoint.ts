/*
 * Where a namespace is reached. Its path below the public URL needs no DNS and is shown by default: the endpoint that
 * clients are given may have a path. Its host names do without one.
 *
 * Source: learn.microsoft.com/azure/event-grid/concepts-event-grid-namespaces
 */

/** Location and name take part in it as they are: neither can hold a character that needs encoding. */
export const namespacePath = (location: string, name: string): string => `/namespaces/${location}/${name}`

/** Host names of the namespace's topics, in lower case. */
export const namespaceHosts = (location: string, name: string): readonly string[] =>
  ['azure.net', 'localhost'].map((domain) => `${name}.${location}-1.eventgrid.${domain}`.toLowerCase())

/** Host names of the namespace's MQTT broker, in lower case. */
export const mqttHosts = (location: string, name: string): readonly string[] =>
  ['azure.net', 'localhost'].map((domain) => `${name}.${location}-1.ts.eventgrid.${domain}`.toLowerCase())

/** What `https://` stands before: the host of the public URL, with the path of the namespace. */
export const topicsHostname = (publicUrl: string, location: string, name: string): string =>
  publicUrl.replace(/^https?:\/\//, '') + namespacePath(location, name)

/** MQTT has no paths: the host of the public URL alone. */
export const mqttHostname = (publicUrl: string): string => new URL(publicUrl).hostname
