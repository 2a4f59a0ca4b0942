import { regions } from '../base/regions.ts'
import { genericNamespace } from '../resources/generic-providers.ts'
import { invalidApiVersion, noRegisteredProvider } from './errors.ts'
import type { ParsedPath, ProviderBlock } from './path.ts'

/*
 * Which api-versions a request may name. All of one provider mean the same here: the newest model, with what older
 * clients say in other words.
 */

/** Source: the ARM resource provider contract, "API versions". */
const wellFormed = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(-(preview|alpha|beta|rc|privatepreview))?$/i

/** Newest first. Source: the folders of Microsoft.EventGrid in the public REST API specifications. */
const eventGrid = [
  ...['2026-06-15-preview', '2025-07-15-preview', '2025-04-01-preview', '2025-02-15'],
  ...['2024-12-15-preview', '2024-06-01-preview', '2023-12-15-preview', '2023-06-01-preview'],
  ...['2022-06-15', '2021-12-01', '2021-10-15-preview', '2021-06-01-preview', '2020-10-15-preview'],
  ...['2020-06-01', '2020-04-01-preview', '2020-01-01-preview', '2019-06-01', '2019-02-01-preview'],
  ...['2019-01-01', '2018-09-15-preview', '2018-05-01-preview', '2018-01-01', '2017-09-15-preview'],
  '2017-06-15-preview',
]

/** Of role assignments and definitions, permissions and locks. */
const authorization = [
  ...['2024-04-01-preview', '2023-04-01-preview', '2022-08-01-preview', '2022-05-01-preview', '2022-04-01'],
  ...['2022-01-01-preview', '2021-04-01-preview', '2020-10-01-preview', '2020-10-01', '2020-08-01-preview'],
  ...['2020-05-01', '2020-04-01-preview', '2020-03-01-preview', '2018-09-01-preview', '2018-07-01'],
  ...['2018-07-01-preview', '2018-01-01-preview', '2017-10-01-preview', '2017-04-01', '2016-09-01'],
  ...['2015-07-01', '2015-06-01', '2015-05-01-preview', '2015-01-01', '2014-10-01-preview'],
  '2014-07-01-preview',
]

/** Of subscriptions, groups, resources, tags, providers and deployments. */
const resources = [
  ...['2026-06-01', '2025-04-01', '2025-03-01', '2024-11-01', '2024-07-01', '2024-03-01', '2023-07-01'],
  ...['2022-12-01', '2022-09-01', '2022-06-01', '2022-05-01', '2022-03-01-preview', '2022-01-01'],
  ...['2021-04-01', '2021-01-01', '2020-10-01', '2020-09-01', '2020-08-01', '2020-07-01', '2020-06-01'],
  ...['2020-05-01', '2020-01-01', '2019-11-01', '2019-10-01', '2019-09-01', '2019-08-01', '2019-07-01'],
  ...['2019-06-01', '2019-05-10', '2019-05-01', '2019-04-01', '2019-03-01', '2018-11-01', '2018-09-01'],
  ...['2018-08-01', '2018-07-01', '2018-06-01', '2018-05-01', '2018-02-01', '2018-01-01', '2017-08-01'],
  ...['2017-06-01', '2017-05-10', '2016-09-01', '2016-07-01', '2016-06-01', '2016-02-01', '2015-11-01'],
  ...['2015-01-01', '2014-04-01-preview', '2014-04-01'],
]

/** Of aliases of subscriptions. */
const subscriptions = [
  ...['2024-08-01-preview', '2021-10-01', '2021-01-01-privatepreview', '2020-09-01', '2020-01-01'],
  ...['2019-10-01-preview', '2019-03-01-preview', '2018-03-01-preview', '2018-11-01-preview'],
]

/** By namespace in lower case; newest first. Any other provider's version will do. */
export const apiVersions: Readonly<Record<string, readonly string[]>> = {
  'microsoft.eventgrid': eventGrid,
  'microsoft.authorization': authorization,
  'microsoft.resources': resources,
  'microsoft.subscription': subscriptions,
}

/** Shown for providers that are not run here. Clients that look for the newest take the first. */
export const genericVersions = [
  ...['2025-01-01', '2024-01-01', '2023-01-01', '2022-01-01', '2021-01-01', '2020-01-01'],
]

const supported = new Map(
  Object.entries(apiVersions).map(([namespace, versions]) => [namespace, new Set<string>(versions)]),
)

/** Throws where that version cannot be asked for at that path, as the service does. */
export function checkApiVersion(version: string, path: ParsedPath): void {
  const last = path.blocks.at(-1)
  const block = last && isOfManager(last) ? undefined : last
  const namespace = block?.namespace.toLowerCase() ?? 'microsoft.resources'
  const versions = apiVersions[namespace] ?? resources
  if (!wellFormed.test(version)) throw invalidApiVersion(version.slice(0, 64), versions)
  const lower = version.toLowerCase()
  if (block && (genericNamespace(namespace) !== undefined || !supported.has(namespace))) return
  if (supported.get(namespace)?.has(lower)) return
  if (block && namespace === 'microsoft.eventgrid')
    throw noRegisteredProvider({
      location: 'global',
      version,
      type: block.types.join('/'),
      versions,
      locations: regions.map(({ name }) => name),
    })
  // Scripts that use Event Grid make their groups with its version, too.
  if (eventGrid.includes(lower)) return
  throw invalidApiVersion(version, versions)
}

/** What is asked about a provider, and not of it, has the versions of Resource Manager. */
const isOfManager = ({ types, names }: ProviderBlock): boolean =>
  types.length === 0 ||
  (names.length === 0 &&
    ['register', 'unregister', 'resourcetypes', 'providerpermissions'].includes(
      types.join('/').toLowerCase(),
    ))
