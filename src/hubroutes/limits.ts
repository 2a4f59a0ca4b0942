/** Of the messages of one hub that are on their way to its endpoints. */
export interface HubRoutesLimits {
  /** Messages that wait for one endpoint; more are dropped. */
  readonly backlogMessages: number
}

export const defaultHubRoutesLimits: HubRoutesLimits = { backlogMessages: 1_000_000 }

/**
 * How long a message waits for an endpoint that does not take it, in policy time.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-endpoints, "Custom endpoints for message routing"
 */
export const retentionMs = 24 * 60 * 60 * 1000

/** With its enrichments. Source: learn.microsoft.com/azure/iot-hub/iot-hub-message-enrichments-overview, "Limitations" */
export const enrichedBytesMost = 256 * 1024

/** Policy time from a failure to the next attempt; each later wait is twice as long, up to the longest. */
export const firstWaitMs = 1_000
export const longestWaitMs = 60_000
