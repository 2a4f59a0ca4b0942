/**
 * What one hub keeps, by default.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling
 */
export interface RegistryLimits {
  /** Devices and modules of one hub. */
  readonly identities: number
  readonly modulesPerDevice: number
  readonly modulesPerEdgeDevice: number
  readonly tagBytes: number
  /** Of the desired, and of the reported properties. */
  readonly propertyBytes: number
}

export const defaultRegistryLimits: RegistryLimits = {
  identities: 1_000_000,
  modulesPerDevice: 20,
  modulesPerEdgeDevice: 50,
  tagBytes: 8 * 1024,
  propertyBytes: 32 * 1024,
}
