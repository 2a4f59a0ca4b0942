import { type Outcome, type OutcomeName } from './destination.ts'
import { notAllowed } from './network.ts'
import type { Answer } from './sender.ts'

const minuteMs = 60_000

/** The least wait after any failure. */
const otherMinimumMs = 10_000

interface StatusRule {
  readonly name: OutcomeName
  /** Policy time that passes at least until the next attempt; undefined: no attempt can help. */
  readonly minimumDelayMs: number | undefined
}

type StatusRules = Readonly<Record<number, StatusRule>>

/**
 * What a status means for a webhook.
 *
 * Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "Retry schedule"
 */
const webhookRules: StatusRules = {
  400: { name: 'BadRequest', minimumDelayMs: undefined },
  401: { name: 'Unauthorized', minimumDelayMs: undefined },
  403: { name: 'Forbidden', minimumDelayMs: undefined },
  404: { name: 'NotFound', minimumDelayMs: 5 * minuteMs },
  408: { name: 'TimedOut', minimumDelayMs: 2 * minuteMs },
  413: { name: 'PayloadTooLarge', minimumDelayMs: undefined },
  429: { name: 'Busy', minimumDelayMs: otherMinimumMs },
  503: { name: 'Busy', minimumDelayMs: 30_000 },
}
/**
 * What it means for a webhook that gets the events of a namespace's topic. Source:
 * learn.microsoft.com/azure/event-grid/push-delivery-overview, "Retry schedule"
 */
const namespaceRules: StatusRules = {
  ...webhookRules,
  404: { name: 'NotFound', minimumDelayMs: undefined },
  414: { name: 'BadRequest', minimumDelayMs: undefined },
}
/** What it means for a resource of Azure: whoever runs it may yet grant what it refuses. Source: as above. */
const resourceRules: StatusRules = {
  ...webhookRules,
  401: { name: 'Unauthorized', minimumDelayMs: 5 * minuteMs },
}
const otherStatus: StatusRule = { name: 'GenericError', minimumDelayMs: otherMinimumMs }

const succeeded: Readonly<Record<number, Outcome>> = Object.fromEntries(
  [200, 201, 202, 203, 204].map((status) => [status, { kind: 'delivered', status }]),
)

const isSuccess = (status: number | undefined) => status !== undefined && succeeded[status] !== undefined

/** No endpoint may hold its events longer than this by `Retry-After`. */
const longestRetryAfterMs = 24 * 60 * minuteMs

/** What a webhook's answer means. @param now for a `Retry-After` that is a date */
export const outcomeOf = (answer: Answer, now: number): Outcome => outcomeBy(webhookRules, answer, now)

/** What a webhook's answer to an event of a namespace's topic means. */
export const namespaceOutcomeOf = (answer: Answer, now: number): Outcome =>
  outcomeBy(namespaceRules, answer, now)

/** What the answer of a resource of Azure means. */
export const resourceOutcomeOf = (answer: Answer, now: number): Outcome =>
  outcomeBy(resourceRules, answer, now)

function outcomeBy(rules: StatusRules, answer: Answer, now: number): Outcome {
  switch (answer.kind) {
    case 'response': {
      const { status, text, headers } = answer
      const success = succeeded[status]
      if (success) return success
      const { name, minimumDelayMs } = rules[status] ?? otherStatus
      const error = text === '' ? `HTTP ${status}` : `HTTP ${status}: ${text}`
      if (minimumDelayMs === undefined) return { kind: 'hopeless', name, status, error }
      const wait = Math.max(minimumDelayMs, retryAfterMs(headers['retry-after'], now))
      return { kind: 'retry', name, status, error, minimumDelayMs: wait }
    }
    case 'timeout':
      return {
        ...{ kind: 'retry', name: 'TimedOut', status: undefined, minimumDelayMs: otherMinimumMs },
        error: 'No response within the time limit.',
        ...(answer.late && { late: answer.late.then(isSuccess) }),
      }
    case 'aborted':
      return retry('Aborted', 'The attempt was cut off.')
    case 'failed':
      return networkFailure(answer.code, answer.message)
  }
}

/** A connection that could not be made, or broke. @param code as Node gives it, such as `ECONNREFUSED` */
export const networkFailure = (code: string, message: string): Outcome =>
  retry(nameOf(code), `${code}: ${message}`)

/** Worth another attempt; without a status, as where no HTTP is spoken. */
export const retry = (name: OutcomeName, error: string, minimumDelayMs = otherMinimumMs): Outcome => ({
  kind: 'retry',
  name,
  status: undefined,
  error,
  minimumDelayMs,
})

/** No attempt can help; without a status. */
export const hopeless = (name: OutcomeName, error: string): Outcome => ({
  kind: 'hopeless',
  name,
  status: undefined,
  error,
})

/** The least wait where what a destination needs is missing, and someone has to put it there. */
export const missingMinimumMs = 5 * minuteMs

function nameOf(code: string): OutcomeName {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
      return 'ResolutionError'
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return 'TimedOut'
    case notAllowed:
      return 'Forbidden'
    default:
      return 'SocketError'
  }
}

/** Source: RFC 9110, 10.2.3: seconds or a date. */
function retryAfterMs(header: string | string[] | undefined, now: number): number {
  const text = Array.isArray(header) ? header[0] : header
  if (text === undefined) return 0
  const ms = /^\s*\d+\s*$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), longestRetryAfterMs)
}
