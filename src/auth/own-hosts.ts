/** Whether a host, with or without a port, is a name of this server. */
export type IsOwnHost = (host: string) => boolean

/**
 * The names by which clients reach this server: those of loopback, which no other machine answers for, and those that
 * the configuration says. A page of another site can make its own name lead to this machine, but not one of these.
 *
 * @param names host names and addresses, without a port; one that begins with `*.` stands for every name below it
 * @param isServed whether a host name is that of a resource
 */
export function ownHosts(
  names: readonly string[],
  isServed: (name: string) => boolean = () => false,
): IsOwnHost {
  const lower = names.map((name) => name.toLowerCase().replace(/^\[(.*)\]$/, '$1'))
  const exact = new Set(lower)
  const below = lower.filter((name) => name.startsWith('*.')).map((name) => name.slice(1))
  return (host) => {
    const name = URL.parse(`http://${host}`)?.hostname.replace(/^\[(.*)\]$/, '$1')
    if (!name) return false
    if (loopback.test(name) || exact.has(name)) return true
    return below.some((end) => name.endsWith(end)) || isServed(name)
  }
}

const loopback = /(^|\.)localhost$|^127(\.\d+){3}$|^::1$/
