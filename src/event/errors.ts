import { RequestError } from '../base/errors.ts'

/*
 * What is wrong with published events, in the words of the publish API.
 *
 * Source: learn.microsoft.com/azure/event-grid/post-to-custom-topic, "Response"
 */

/** How much of a message is sent; what it quotes may be as large as the request. */
const messageCharacters = 1_000

const bounded = (text: string) =>
  text.length > messageCharacters ? `${text.slice(0, messageCharacters)}…` : text

/** The body is no JSON, or not the JSON that the topic's input schema asks for. */
export const invalidJson = (message: string, target?: string) =>
  new RequestError(400, 'BadRequest', bounded(message), {
    detailCode: 'InputJsonInvalid',
    ...(target === undefined ? {} : { target: bounded(target) }),
  })

/** A `ce-` header of a CloudEvent in binary mode is missing, empty or malformed. */
export const invalidCloudEventHeader = (message: string) =>
  new RequestError(400, 'BadRequest', bounded(message), { detailCode: 'InvalidCloudEventHeader' })

export const unsupportedContentType = (message: string) =>
  new RequestError(415, 'UnsupportedMediaType', bounded(message), { detailCode: 'InvalidContentType' })

/** One event, or the number of events, is over its limit. */
export const payloadTooLarge = (message: string) =>
  new RequestError(413, 'RequestEntityTooLarge', message, { detailCode: 'PayloadTooLarge' })

/** The event names another topic than the one it was sent to. */
export const foreignTopic = (message: string) =>
  new RequestError(401, 'Unauthorized', bounded(message), { detailCode: 'Unauthorized', target: 'topic' })
