import type { AmqpAnswer } from './amqp-sender.ts'
import type { Outcome, OutcomeName } from './destination.ts'
import { hopeless, missingMinimumMs, networkFailure, retry } from './outcome.ts'

interface ConditionRule {
  readonly name: OutcomeName
  /** Policy time that passes at least until the next attempt; undefined: no attempt can help. */
  readonly minimumDelayMs: number | undefined
}

const otherMinimumMs = 10_000
const badRequest: ConditionRule = { name: 'BadRequest', minimumDelayMs: undefined }
const unauthorized: ConditionRule = { name: 'Unauthorized', minimumDelayMs: missingMinimumMs }
const full: ConditionRule = { name: 'Full', minimumDelayMs: otherMinimumMs }

/**
 * What an error condition means. Each has the waits of the status that stands for the same: 404, 401, 503, 408, 413.
 *
 * Source: OASIS AMQP 1.0, part 2, 2.8.15 to 2.8.18; learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-troubleshoot;
 * learn.microsoft.com/azure/event-grid/delivery-and-retry, "Retry schedule" and "Delayed delivery"
 */
const conditionRules: Readonly<Record<string, ConditionRule>> = {
  'amqp:not-found': { name: 'NotFound', minimumDelayMs: missingMinimumMs },
  'amqp:unauthorized-access': unauthorized,
  'com.microsoft:auth-failed': unauthorized,
  'com.microsoft:server-busy': { name: 'Busy', minimumDelayMs: 30_000 },
  'com.microsoft:timeout': { name: 'TimedOut', minimumDelayMs: 120_000 },
  'amqp:resource-limit-exceeded': full,
  'com.microsoft:entity-disabled': { name: 'Disabled', minimumDelayMs: otherMinimumMs },
  'com.microsoft:publisher-revoked': { name: 'Disabled', minimumDelayMs: otherMinimumMs },
  'amqp:link:message-size-exceeded': { name: 'PayloadTooLarge', minimumDelayMs: undefined },
  'com.microsoft:message-size-exceeded': { name: 'PayloadTooLarge', minimumDelayMs: undefined },
  'amqp:decode-error': badRequest,
  'amqp:invalid-field': badRequest,
  'amqp:not-allowed': badRequest,
  'amqp:not-implemented': badRequest,
  'com.microsoft:argument-error': badRequest,
  'com.microsoft:argument-out-of-range': badRequest,
  'undeliverable-here': badRequest,
}
const otherCondition: ConditionRule = { name: 'GenericError', minimumDelayMs: otherMinimumMs }
const sessionRequired: ConditionRule = { name: 'SessionQueueNotSupported', minimumDelayMs: undefined }

const delivered: Outcome = { kind: 'delivered', status: undefined }

export function amqpOutcomeOf(answer: AmqpAnswer): Outcome {
  switch (answer.kind) {
    case 'accepted':
      return delivered
    case 'refused': {
      const { condition, description } = answer
      const { name, minimumDelayMs } = ruleOf(condition, description)
      const error = description === '' ? condition : `${condition}: ${description}`
      return minimumDelayMs === undefined ? hopeless(name, error) : retry(name, error, minimumDelayMs)
    }
    case 'timeout':
      return retry('TimedOut', 'The broker did not answer within the time limit.')
    case 'aborted':
      return retry('Aborted', 'The attempt was cut off.')
    case 'failed':
      return networkFailure(answer.code, answer.message)
  }
}

function ruleOf(condition: string, description: string): ConditionRule {
  if (condition.startsWith('com.microsoft:session-')) return sessionRequired
  // Of an entity with sessions: "The SessionId was not set on a message, and it cannot be sent to the entity."
  if (condition === 'amqp:not-allowed' && /\bsession/i.test(description)) return sessionRequired
  return (Object.hasOwn(conditionRules, condition) && conditionRules[condition]) || otherCondition
}
