import { networkInterfaces } from 'node:os'
import { regions } from '../base/regions.ts'

/**
 * The names that clients may use for this server, first `localhost`: every one of them is in its certificate.
 *
 * The host-based endpoints of topics have a label of their own below `{region}-1.eventgrid.azure.net`.
 *
 * @param more host names and addresses that the configuration knows of; duplicates and any letter case are fine
 * @param locations that it knows of beside Azure's regions
 */
export function certificateNames(
  host: string,
  more: readonly string[],
  locations: readonly string[] = [],
): readonly string[] {
  const names = ['localhost', '*.localhost', '127.0.0.1', '::1']
  if (host === '0.0.0.0' || host === '::') names.push(...ownAddresses())
  else names.push(host)
  names.push(...more)
  for (const name of [...regions.map((region) => region.name), ...locations])
    names.push(`*.${name}-1.eventgrid.azure.net`, `*.${name}-1.eventgrid.localhost`)
  return [...new Set(names.map((name) => name.toLowerCase().replace(/^\[(.*)\]$/, '$1')))]
}

/** The addresses by which other machines reach this one, when every interface is listened on. */
function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces())
    .flat()
    .filter((one) => one !== undefined)
    .filter(({ internal, scopeid = 0 }) => !internal && scopeid === 0)
    .map(({ address }) => address)
    .toSorted()
}
