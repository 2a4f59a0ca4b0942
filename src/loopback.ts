import { isIP } from 'node:net'

/** True for addresses that only this machine can reach. Any name but `localhost` may resolve elsewhere. */
export function isLoopback(name: string): boolean {
  const host = name.replace(/^\[(.*)\]$/, '$1')
  if (isIP(host) === 4) return host.startsWith('127.')
  return host === '::1' || host === '0:0:0:0:0:0:0:1' || host === 'localhost'
}
