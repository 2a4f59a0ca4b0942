import { type Command, Option } from 'commander'
import { addGroup, type Found } from '../connection.ts'
import { integer, numberOf, textOf } from '../found.ts'
import { json, pairs } from '../table.ts'
import { UsageError } from '../usage-error.ts'
import { addDeviceCommand, addHubOptions, decodeJsonText, deviceOf } from './device-options.ts'
import { withHub } from './hub-client.ts'
import { queryHub } from './query.ts'

/* `busbar device twin`, `query` and `invoke`. */

export function addTwinCommands(group: Command): void {
  const twin = addGroup(group, 'twin', "A device's twin: show, update.")
  addDeviceCommand(twin, 'show', 'Print the twin of a device, as JSON.', true).action(
    (argument: string | undefined, found: Found) =>
      withHub(found, async (hub) => {
        const { path } = deviceOf(argument, found)
        process.stdout.write(json(await hub.request('ServiceConnect', 'GET', `/twins/${path}`)))
      }),
  )
  addDeviceCommand(
    twin,
    'update',
    'Change tags and desired properties: what is given is merged in, null removes. Prints the twin.',
  )
    .option('--tags <JSON>', `such as '{"site":"north"}'`)
    .option('--desired <JSON>', `such as '{"interval":60,"old":null}'`)
    .option('--replace', 'instead of merging, what is given is all there is')
    .option('--etag <ETAG>', 'only if the twin still has this one')
    .addHelpText('after', `\nExample: busbar device twin update dev1 --desired '{"interval":60}'`)
    .action((argument: string | undefined, found: Found) =>
      withHub(found, async (hub) => {
        const { path } = deviceOf(argument, found)
        const [tags, desired] = [section(found, 'tags'), section(found, 'desired')]
        if (tags === undefined && desired === undefined)
          throw new UsageError('Say what to change: --tags, --desired, or both, each a JSON object.')
        const etag = textOf(found, 'etag')
        const changed = await hub.request(
          'ServiceConnect',
          found.replace === true ? 'PUT' : 'PATCH',
          `/twins/${path}`,
          {
            body: { tags, properties: desired === undefined ? undefined : { desired } },
            headers: { 'If-Match': etag === undefined ? '*' : `"${etag}"` },
          },
        )
        process.stdout.write(json(changed))
      }),
    )

  addHubOptions(group.command('query'))
    .description("Query twins in the hub's language; prints a line of JSON for each result.")
    .argument('<query>', `such as "SELECT deviceId FROM devices WHERE tags.site = 'north'"`)
    .addOption(new Option('--top <N>', 'at most so many results').argParser(integer(1, 1_000_000_000)))
    .option('--json', 'print one JSON array')
    .action((query: string, found: Found) =>
      withHub(found, async (hub) => {
        const all: unknown[] = []
        for await (const item of queryHub(hub, query, numberOf(found, 'top')))
          if (found.json === true) all.push(item)
          else process.stdout.write(`${JSON.stringify(item)}\n`)
        if (found.json === true) process.stdout.write(json(all))
      }),
    )

  addDeviceCommand(group, 'invoke', 'Call a direct method of a device, and print what it answers.')
    .argument('[method]', "the method's name")
    .option('--method <NAME>', 'the same, as an option')
    .option('--payload <JSON>', 'what it is called with (default: null)')
    .addOption(
      new Option('--timeout <SECONDS>', 'how long to wait for the answer')
        .argParser(integer(5, 300))
        .default(30),
    )
    .addOption(
      new Option('--connect-timeout <SECONDS>', 'how long to wait for the device to connect')
        .argParser(integer(0, 300))
        .default(0),
    )
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample: busbar device invoke dev1 reboot --payload '{"delay":5}'`)
    .action((argument: string | undefined, methodArgument: string | undefined, found: Found) =>
      withHub(found, async (hub) => {
        // With --name, the only argument is the method.
        const isNamed = textOf(found, 'name') !== undefined && methodArgument === undefined
        const { path } = deviceOf(isNamed ? undefined : argument, found)
        const given = isNamed ? argument : methodArgument
        const methodName = given ?? textOf(found, 'method')
        if (methodName === undefined)
          throw new UsageError('The method is missing: give its name behind that of the device.')
        if (given !== undefined && textOf(found, 'method') !== undefined)
          throw new UsageError('The method is given twice: as the argument, and with --method.')
        const payload = textOf(found, 'payload')
        const [response, connect] = [numberOf(found, 'timeout') ?? 30, numberOf(found, 'connectTimeout') ?? 0]
        const answer = await hub.request('ServiceConnect', 'POST', `/twins/${path}/methods`, {
          body: {
            methodName,
            payload: payload === undefined ? null : decodeJsonText(payload, '--payload'),
            responseTimeoutInSeconds: response,
            connectTimeoutInSeconds: connect,
          },
          timeoutMs: (response + connect + answerSeconds) * 1000,
        })
        process.stdout.write(
          found.json === true
            ? json(answer)
            : pairs({ status: String(answer.status), payload: JSON.stringify(answer.payload) }),
        )
      }),
    )
}

/** The hub's own time on top of that of the device. */
const answerSeconds = 15

function section(found: Found, name: 'tags' | 'desired'): unknown {
  const text = textOf(found, name)
  if (text === undefined) return undefined
  const value = decodeJsonText(text, `--${name}`)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new UsageError(`--${name} must be a JSON object: got '${text.slice(0, 100)}'.`)
}
