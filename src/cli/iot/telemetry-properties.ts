import { type Command } from 'commander'
import type { Found } from '../connection.ts'
import { assignments, listOf, textOf } from '../found.ts'

/*
 * What is said of a message beside its body, and how it is written over HTTPS and over MQTT.
 */

export interface TelemetryProperties {
  /** The application's. */
  readonly properties: Readonly<Record<string, string>>
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
  readonly messageId?: string | undefined
  readonly correlationId?: string | undefined
}

export const addTelemetryOptions = (command: Command): Command =>
  command
    .option('--property <NAME=VALUE...>', 'properties of the application')
    .option('--content-type <TYPE>', 'such as application/json, which shows the body as JSON in events')
    .option('--content-encoding <NAME>', 'default: utf-8 where the content type is application/json')

export function readTelemetryProperties(found: Found, contentType?: string): TelemetryProperties {
  const type = textOf(found, 'contentType') ?? contentType
  const isJson = type?.toLowerCase() === 'application/json'
  return {
    properties: assignments(listOf(found, 'property'), '--property') ?? {},
    contentType: type,
    contentEncoding: textOf(found, 'contentEncoding') ?? (isJson ? 'utf-8' : undefined),
    messageId: textOf(found, 'messageId'),
    correlationId: textOf(found, 'correlationId'),
  }
}

/**
 * What comes behind the last slash of a telemetry topic.
 *
 * Source: learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub, "Send device-to-cloud messages"
 */
export const encodePropertyBag = (all: TelemetryProperties): string =>
  [
    ...named({
      '$.mid': all.messageId,
      '$.cid': all.correlationId,
      '$.ct': all.contentType,
      '$.ce': all.contentEncoding,
    }),
    ...Object.entries(all.properties),
  ]
    .map((pair) => pair.map(encodeURIComponent).join('='))
    .join('&')

/**
 * One message as a batch, whose properties may hold what headers may not.
 *
 * Source: learn.microsoft.com/rest/api/iothub/device/send-device-event
 */
export function encodeBatch(body: Buffer, all: TelemetryProperties): unknown {
  return [
    {
      body: body.toString('base64'),
      base64Encoded: true,
      properties: Object.fromEntries([
        ...named({
          'iothub-messageid': all.messageId,
          'iothub-correlationid': all.correlationId,
          'iothub-contenttype': all.contentType,
          'iothub-contentencoding': all.contentEncoding,
        }),
        ...Object.entries(all.properties).map(([name, value]) => [`iothub-app-${name}`, value] as const),
      ]),
    },
  ]
}

export const batchType = 'application/vnd.microsoft.iothub.json'

const named = (values: Readonly<Record<string, string | undefined>>): (readonly [string, string])[] =>
  Object.entries(values).filter((pair): pair is [string, string] => pair[1] !== undefined)
