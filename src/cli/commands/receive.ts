import { Option } from 'commander'
import { OperatorError } from '../../base/operator-error.ts'
import { type Json, pause, refusalOf } from '../client.ts'
import { addConnectionOptions, connect, type Found, note } from '../connection.ts'
import { integer, numberOf, textOf } from '../found.ts'
import { dataPlaneVersion, type NamespaceDoor, openNamespace, openNamespaceAt } from '../namespaces.ts'
import { EventSplitter } from '../split-events.ts'
import { UsageError } from '../usage-error.ts'
import type { AddCommand } from './command.ts'

export const receive: AddCommand = (program) => {
  addConnectionOptions(program.command('receive'))
    .description("Receive events of a namespace's topic from the queue of an event subscription.")
    .option('--namespace <NAME>', 'namespace (default: the only one there is)')
    .option('--topic <NAME>', 'topic of the namespace')
    .option('--subscription <NAME>', 'event subscription of the topic')
    .option('-g, --resource-group <GROUP>', 'resource group of the namespace (default: wherever it is)')
    .option('--endpoint <URL>', 'URL of the topic, in place of names; needs --access-key')
    .option('--access-key <KEY>', 'key of the namespace or the topic')
    .option('--ack', 'acknowledge what was printed: it does not come again')
    .option('--follow', 'go on until Ctrl-C, or until --max events have come')
    .addOption(
      new Option(
        '--max <N>',
        'receive so many events at most (default: 100; with --follow any number)',
      ).argParser(integer(1, 1_000_000_000)),
    )
    .addOption(
      new Option('--wait <SECONDS>', 'how long to wait where there is no event, 10 to 120')
        .argParser(integer(10, 120))
        .default(10, '10'),
    )
    .addHelpText(
      'after',
      `
Prints one JSON object a line: the event, its delivery count and its lock token, as the API gives them. Without
--ack each event stays locked for the lock duration of its event subscription, and then comes again.
Examples:
  busbar receive --topic orders --subscription all
  busbar receive --topic orders --subscription all --ack --follow | jq .event.data`,
    )
    .action((found: Found) => run(found))
}

/** Of one request, as the API has it. */
const mostEvents = 100
const busyPauseMs = 1_000

async function run(found: Found): Promise<void> {
  const eventSubscription = textOf(found, 'subscription')
  if (eventSubscription === undefined) throw new UsageError('Say what to receive from with --subscription.')
  const { client, path, key, topic } = await doorOf(found)
  const queue = `${path}/topics/${encodeURIComponent(topic)}/eventsubscriptions/${encodeURIComponent(eventSubscription)}`
  const wait = numberOf(found, 'wait') as number
  const follows = found.follow === true
  let left = numberOf(found, 'max') ?? (follows ? Number.POSITIVE_INFINITY : mostEvents)
  const post = async (operation: string, query: string, body: string) => {
    for (;;) {
      const answer = await client.send(
        'POST',
        `${queue}:${operation}?api-version=${dataPlaneVersion}${query}`,
        {
          body,
          headers: { 'aeg-sas-key': key, 'Content-Type': 'application/json' },
          anonymous: true,
          // The server answers when the wait is over, at the latest.
          timeoutMs: (wait + 30) * 1000,
        },
      )
      if (answer.status === 200) return answer.body
      const isBusy = answer.status === 429 || answer.status === 503
      if (!isBusy || !follows) throw refusalOf(answer, queue)
      note(refusalOf(answer, queue).message)
      await pause(Math.max(busyPauseMs, Number(answer.headers['retry-after'] ?? 0) * 1000))
    }
  }
  try {
    for (let more = true; more; more = follows && left > 0) {
      const max = Math.min(left, mostEvents)
      const lines = linesOf(await post('receive', `&maxEvents=${max}&maxWaitTime=${wait}`, ''))
      for (const line of lines) await print(line)
      if (found.ack === true && lines.length > 0)
        acknowledged(await post('acknowledge', '', JSON.stringify({ lockTokens: lines.map(tokenOf) })))
      left -= lines.length
    }
  } finally {
    client.close()
  }
}

async function doorOf(found: Found): Promise<NamespaceDoor & { readonly topic: string }> {
  const endpoint = textOf(found, 'endpoint')
  const topic = textOf(found, 'topic')
  if ((endpoint === undefined) === (topic === undefined))
    throw new UsageError('Say which topic: one of --topic and --endpoint.')
  if (endpoint !== undefined) return openNamespaceAt(endpoint, textOf(found, 'accessKey'), found)
  return { ...(await openNamespace(await connect(found), found)), topic: topic as string }
}

/** The items of `{"value":[...]}`, each on one line and else as the server wrote it: numbers keep their digits. */
function linesOf(body: string): readonly string[] {
  const start = body.indexOf('[')
  if (start < 0) throw new OperatorError(`The server did not answer with events: ${body.slice(0, 200)}`)
  const splitter = new EventSplitter()
  const items = [...splitter.add(Buffer.from(body.slice(start, body.lastIndexOf(']') + 1)))]
  splitter.end()
  // A line break can only be white space between JSON's tokens.
  return items.map((item) => item.toString().replaceAll(/[\r\n]+/g, ' '))
}

const tokenOf = (line: string): string => JSON.parse(line).brokerProperties.lockToken

function acknowledged(body: string): void {
  const { failedLockTokens }: Json = JSON.parse(body)
  if (failedLockTokens.length === 0) return
  const [{ error }] = failedLockTokens
  note(
    `${failedLockTokens.length} events were not acknowledged, and come again: ${error.code} ${error.message}`,
  )
}

/** Resolves when whoever reads can take more. */
function print(line: string): Promise<void> | undefined {
  if (process.stdout.write(`${line}\n`)) return undefined
  return new Promise((resolve) => {
    process.stdout.once('drain', resolve)
  })
}
