import type { StoredCatalog } from '../catalog/stored-catalog.ts'
import type { Provider } from './directory.ts'
import { gatewayError } from './errors.ts'
import type { ResourceRef } from './resource-ref.ts'
import type { Subscription } from './subscriptions.ts'

/*
 * Which providers a subscription uses: every one, until it says otherwise.
 *
 * Source: learn.microsoft.com/rest/api/resources/providers/register, .../unregister
 */

/** The provider with its state in that subscription. */
export const registered = (provider: Provider, { unregistered }: Subscription): Provider => ({
  ...provider,
  registrationState: unregistered.includes(provider.namespace.toLowerCase()) ? 'Unregistered' : 'Registered',
})

/** Throws where the subscription has resources of the provider that it is to be without. */
export function changedRegistration(
  { id, unregistered }: Subscription,
  { namespace, registrationPolicy }: Provider,
  action: 'register' | 'unregister',
  catalog: StoredCatalog,
): Partial<Subscription> {
  if (registrationPolicy === 'RegistrationFree') return {}
  const lower = namespace.toLowerCase()
  const others = unregistered.filter((each) => each !== lower)
  if (action === 'register') return { unregistered: others }
  const used = [...catalog.types()].find(
    (type) => type.toLowerCase().startsWith(`${lower}/`) && catalog.count(type, `/subscriptions/${id}/`) > 0,
  )
  if (used !== undefined)
    throw gatewayError(
      409,
      'Conflict',
      `The subscription '${id}' cannot be unregistered from '${namespace}': it has resources of type '${used}'.`,
    )
  return { unregistered: [...others, lower] }
}

/** A new resource is made of a provider alone that the subscription is registered for. */
export function checkRegistered(
  { unregistered }: Subscription,
  { form, type, id }: ResourceRef,
  catalog: StoredCatalog,
): void {
  const namespace = form.slice(0, form.indexOf('/'))
  if (!unregistered.includes(namespace.toLowerCase()) || catalog.find(type.type, id)) return
  throw gatewayError(
    409,
    'MissingSubscriptionRegistration',
    `The subscription is not registered to use namespace '${namespace}'. See https://aka.ms/rps-not-found for how to register subscriptions.`,
  )
}
