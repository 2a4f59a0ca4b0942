import { RequestError } from '../base/errors.ts'
import { suggestion } from '../base/nearest.ts'
import type { Mismatch } from '../sources/check-data.ts'
import type { EventSource } from '../sources/event-source.ts'
import { nearEventType, sourceFormat } from '../sources/lookup.ts'
import type { StoreUnavailable } from '../store/store.ts'

/*
 * What is wrong with an event that someone wants raised.
 */

const shownCharacters = 200

export const invalidBody = (why: string, cause?: unknown) =>
  new RequestError(400, 'InvalidRequest', `The request body must be a JSON object; ${why}.`, { cause })

export const unknownMember = (name: string, known: readonly string[]) =>
  new RequestError(
    400,
    'InvalidRequest',
    `The property '${name.slice(0, shownCharacters)}' is not known; known are ${known.join(', ')}.` +
      suggestion(name.slice(0, shownCharacters), known),
    { target: name.slice(0, shownCharacters) },
  )

export const eventTypeNotFound = (name: string) =>
  new RequestError(
    404,
    'EventTypeNotFound',
    `No event type is named '${name.slice(0, shownCharacters)}'.${nearEventType(name)}`,
    { target: 'eventType' },
  )

/** What Event Grid sends of itself with a delivery no source can raise. */
export const notRaised = (eventType: string) =>
  new RequestError(
    400,
    'InvalidRequest',
    `'${eventType}' is sent by Event Grid itself when an event subscription is made or deleted: no source raises it.`,
    { target: 'eventType' },
  )

export const notASource = (eventType: string, carriers: readonly EventSource[], got: string) =>
  new RequestError(
    400,
    'InvalidRequest',
    `The property 'source' must be the id of what raises ${eventType}, such as ` +
      `${carriers.map(sourceFormat).join(' or ')}; got '${got.slice(0, shownCharacters)}'.`,
    { target: 'source' },
  )

/** The first mismatch is the target; all that were found are told. */
export const invalidData = (eventType: string, mismatches: readonly Mismatch[]) =>
  new RequestError(
    400,
    'InvalidEventData',
    `The data of ${eventType} is not as its schema says: ` +
      `${mismatches.map(({ pointer, expected, got }) => `'data${pointer}' must be ${expected}, got ${got}`).join('; ')}.`,
    { target: `data${mismatches[0]?.pointer ?? ''}` },
  )

/** A full disk may be cleared in a moment; a store that has failed needs a restart. */
export const cannotAccept = (cause: StoreUnavailable) =>
  new RequestError(503, 'ServiceUnavailable', `The event cannot be stored: ${cause.message}`, {
    headers: { 'Retry-After': cause.retryable ? '5' : '30' },
    cause,
  })
