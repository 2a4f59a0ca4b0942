import { newGuid } from '../base/ids.ts'
import { InputError } from './split-events.ts'
import { UsageError } from './usage-error.ts'

/*
 * Events as a topic's input schema wants them: made from options, or completed with what every client fills in.
 */

/** As the topic's resource spells it. */
export type InputSchema = 'EventGridSchema' | 'CloudEventSchemaV1_0' | 'CustomEventSchema'

/** An event in the words of the options. */
export interface EventOptions {
  readonly type: string | undefined
  readonly subject: string | undefined
  /** JSON as it was written: numbers keep their digits. */
  readonly data: string | undefined
  readonly id: string | undefined
  /** ISO 8601. */
  readonly time: string
  readonly dataVersion: string | undefined
  /** Of a CloudEvent. */
  readonly source: string | undefined
  /** Domain topic of an Event Grid event. */
  readonly topic: string | undefined
}

interface EventForm {
  readonly contentType: string
  /** An event in JSON; throws a `UsageError` for an option that the schema needs or does not know. */
  create(options: EventOptions): string
  /** Members that an event lacks and that a client fills in, in JSON, before its other members. */
  missing(event: Readonly<Record<string, unknown>>, now: () => string, topic: string | undefined): string
}

const member = (name: string, value: string) => `"${name}":${JSON.stringify(value)},`

const withData = (event: object, data: string | undefined): string => {
  const rest = JSON.stringify(event)
  return data === undefined ? rest : `${rest.slice(0, -1)},"data":${data}}`
}

const forms: Readonly<Record<InputSchema, EventForm>> = {
  EventGridSchema: {
    contentType: 'application/json',
    create({ type, subject, data, id = newGuid(), time, dataVersion = '', source, topic }) {
      if (type === undefined) throw new UsageError('An event needs --type.')
      if (source !== undefined) throw new UsageError("--source is a CloudEvent's; this topic takes others.")
      return withData(
        { id, topic, eventType: type, subject: subject ?? '', eventTime: time, dataVersion },
        data ?? '{}',
      )
    },
    missing: ({ id, eventTime, topic: own }, now, topic) =>
      (id === undefined ? member('id', newGuid()) : '') +
      (eventTime === undefined ? member('eventTime', now()) : '') +
      (own === undefined && topic !== undefined ? member('topic', topic) : ''),
  },
  CloudEventSchemaV1_0: {
    contentType: 'application/cloudevents-batch+json; charset=utf-8',
    create({ type, subject, data, id = newGuid(), time, dataVersion, source, topic }) {
      if (type === undefined) throw new UsageError('An event needs --type.')
      if (dataVersion !== undefined)
        throw new UsageError('--data-version is for the Event Grid schema; this topic takes CloudEvents.')
      const datacontenttype = data === undefined ? undefined : 'application/json'
      return withData(
        { specversion: '1.0', id, source: source ?? topic ?? 'busbar', type, subject, time, datacontenttype },
        data,
      )
    },
    missing: ({ specversion, id, time, source }, now, topic) =>
      (specversion === undefined ? member('specversion', '1.0') : '') +
      (id === undefined ? member('id', newGuid()) : '') +
      (time === undefined ? member('time', now()) : '') +
      (source === undefined && topic !== undefined ? member('source', topic) : ''),
  },
  CustomEventSchema: {
    contentType: 'application/json',
    create({ data, ...others }) {
      const { type, subject, id, dataVersion, source } = others
      if ([type, subject, id, dataVersion, source].some((option) => option !== undefined))
        throw new UsageError(
          'This topic has a schema of its own: give the whole event with --data, or a file.',
        )
      if (data === undefined) throw new UsageError('Give the whole event with --data, or a file.')
      return data
    },
    missing: () => '',
  },
}

export const contentTypeOf = (schema: InputSchema): string => forms[schema].contentType

export const createEvent = (schema: InputSchema, options: EventOptions): Buffer =>
  Buffer.from(forms[schema].create(options))

/** The event with what it lacks; everything else stays byte for byte. @param position in the input, from 1 */
export function completeEvent(
  schema: InputSchema,
  event: Buffer,
  position: number,
  now: () => string,
  topic: string | undefined,
): Buffer {
  const missing = forms[schema].missing(decode(event, position), now, topic)
  if (missing === '') return event
  const rest = event.subarray(1)
  // Without members of its own, the comma would stand alone.
  const isEmpty = /^\s*\}$/.test(rest.toString('utf8', 0, Math.min(rest.length, 16)))
  return Buffer.concat([Buffer.from(`{${isEmpty ? missing.slice(0, -1) : missing}`), rest])
}

function decode(event: Buffer, position: number): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(event.toString('utf8'))
  } catch (error) {
    throw new InputError(`Event ${position} of the input is not JSON: ${(error as Error).message}`, error)
  }
}
