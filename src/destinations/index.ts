import type { Clock } from '../base/clock.ts'
import type {
  DeliveryContext,
  Destination,
  DestinationSettings,
  Verification,
  Verify,
} from './destination.ts'
import { type VerificationRequest } from './destination.ts'
import type { NetworkRules } from './network.ts'
import { createSender, type SenderLimits } from './sender.ts'
import { createWebhook, type DestinationEnvironment } from './webhook.ts'
import { verifyWebhook } from './webhook-handshake.ts'

interface DestinationType {
  create(
    settings: DestinationSettings,
    context: DeliveryContext,
    environment: DestinationEnvironment,
  ): Destination
  verify(
    request: VerificationRequest,
    environment: DestinationEnvironment,
    signal: AbortSignal,
  ): Promise<Verification>
}

/** Every destination type under its wire name. To add one: write the file, add the line. */
export const destinationTypes = {
  WebHook: { create: createWebhook, verify: verifyWebhook },
} satisfies Record<DestinationSettings['endpointType'], DestinationType>

/** Makes destinations ready and asks endpoints for consent, over connections that all of them share. */
export interface Destinations {
  readonly create: (settings: DestinationSettings, context: DeliveryContext) => Destination
  readonly verify: Verify
  /** Cuts every connection; call it when nothing delivers any more. */
  close(): Promise<void>
}

export function openDestinations(options: {
  readonly clock: Clock
  readonly rules: NetworkRules
  readonly limits?: SenderLimits
}): Destinations {
  const { clock, rules, limits } = options
  const sender = createSender(clock, rules, limits)
  const environment: DestinationEnvironment = { clock, sender }
  return {
    create: (settings, context) =>
      destinationTypes[settings.endpointType].create(settings, context, environment),
    verify: (request, signal) =>
      destinationTypes[request.settings.endpointType].verify(request, environment, signal),
    close: () => sender.close(),
  }
}
