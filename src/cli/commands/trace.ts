import type { TraceAnswer } from '../../trace/trace.ts'
import { addConnectionOptions, type Found, withClient } from '../connection.ts'
import { json, pairs, table } from '../table.ts'
import { type AddCommand } from './command.ts'

export const trace: AddCommand = (program) => {
  addConnectionOptions(program.command('trace'))
    .description('Print what became of an event: filters, attempts, and how it ended.')
    .argument('<event-id>', "the event's own id, as it was published")
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nA server keeps the newest events only: limits.traceEvents and limits.traceBytes.',
    )
    .action((id: string, found: Found) =>
      withClient(found, async (client) => {
        const answer: TraceAnswer = await client.request('GET', `/events/${encodeURIComponent(id)}/trace`)
        process.stdout.write(found.json === true ? json(answer) : encodeTrace(answer))
      }),
    )
}

type Traced = TraceAnswer['eventSubscriptions'][number]

/** The event, then each event subscription, then every attempt in the order of time. */
function encodeTrace({ id, type, subject, topicId, acceptedAt, eventSubscriptions }: TraceAnswer): string {
  const attempts = eventSubscriptions
    .flatMap(({ name, attempts: made }) => made.map((attempt) => ({ name, ...attempt })))
    .toSorted((a, b) => (a.at < b.at ? -1 : 1))
  return [
    pairs({ event: id, type, subject, topic: topicId, accepted: acceptedAt }),
    eventSubscriptions.length === 0
      ? 'The topic has no event subscription.\n'
      : table(
          ['EVENT SUBSCRIPTION', 'STATE', 'ATTEMPTS', 'WHEN', 'WHY'],
          eventSubscriptions.map((each) => [each.name, ...stateOf(each)]),
        ),
    attempts.length === 0
      ? ''
      : table(
          ['AT', 'EVENT SUBSCRIPTION', 'OUTCOME', 'STATUS', 'MS', 'ERROR'],
          attempts.map(({ name, at, outcome, status, durationMs, error }) => [
            at,
            name,
            outcome,
            String(status ?? ''),
            String(durationMs),
            error ?? '',
          ]),
        ),
  ]
    .filter((part) => part !== '')
    .join('\n')
}

/** State, attempts, when, why. */
function stateOf({
  matched,
  refusedBy,
  attempts,
  nextAttemptAt,
  deadLetter,
  end,
}: Traced): readonly string[] {
  const tries = String(attempts.length)
  if (!matched) return ['not matched', '', '', refusedBy ?? '']
  switch (end?.kind) {
    case undefined:
      if (deadLetter) {
        const { reason, error } = deadLetter
        return [
          'given up',
          tries,
          `due ${nextAttemptAt}`,
          error === undefined ? reason : `${reason}; ${error}`,
        ]
      }
      return nextAttemptAt === undefined
        ? [attempts.length === 0 ? 'queued' : 'waiting', tries, '', '']
        : ['waiting', tries, `due ${nextAttemptAt}`, attempts.at(-1)?.outcome ?? '']
    case 'delivered':
    case 'acknowledged':
      return [end.kind, tries, end.at, '']
    case 'deadLettered':
      return ['dead-lettered', tries, end.at, `${end.reason}, ${end.blob}`]
    case 'dropped':
      return ['dropped', tries, end.at, end.reason]
  }
}
