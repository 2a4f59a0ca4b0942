import type { HttpRequest } from '../http/http.ts'
import { HubError } from '../registry/errors.ts'

/** How a device proves over HTTPS who it is: a shared access signature, or the certificate that TLS has brought. */
export interface DeviceCredentials {
  readonly password: Uint8Array | undefined
  /** DER, the client's own first. */
  readonly certificates: readonly Uint8Array[]
}

/** Source: learn.microsoft.com/azure/iot-hub/authenticate-authorize-sas and authenticate-authorize-x509 */
export function credentialsOf({ headers, certificates }: HttpRequest): DeviceCredentials {
  const { authorization } = headers
  if (authorization === undefined && certificates.length > 0) return { password: undefined, certificates }
  if (authorization !== undefined && /^SharedAccessSignature\s/i.test(authorization))
    return { password: Buffer.from(authorization), certificates }
  throw new HubError(
    'IotHubUnauthorizedAccess',
    'Unauthorized: a device sends a shared access signature, or shows a certificate.',
  )
}
