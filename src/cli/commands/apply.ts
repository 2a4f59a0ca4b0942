import { Argument, Option } from 'commander'
import { OperatorError } from '../../base/operator-error.ts'
import {
  deploymentNameOf,
  isForSubscription,
  readParameterFile,
  readTemplateFile,
} from '../../template-file.ts'
import type { ObjectValue, Value } from '../../templates/language/value.ts'
import { defaultGroup, groupPath, subscription } from '../azure.ts'
import { type Client, type Json, pause, Refused } from '../client.ts'
import { addConnectionOptions, type Found, note, withClient } from '../connection.ts'
import { listOf, oneOf, textOf } from '../found.ts'
import { json, plainLine, table } from '../table.ts'
import type { AddCommand } from './command.ts'

/** Source: learn.microsoft.com/azure/azure-resource-manager/templates/deploy-cli */
export const apply: AddCommand = (program) => {
  addConnectionOptions(program.command('apply'))
    .description('Bring resources to the state that a deployment template names.')
    .addArgument(new Argument('<file>', 'the template (JSON, with comments if wanted)'))
    .option(
      '-p, --parameters <VALUES...>',
      'parameter files, and NAME=VALUE pairs whose value may be JSON; what comes later counts',
    )
    .option('-g, --resource-group <NAME>', 'resource group; made if it is not there', defaultGroup)
    .option(
      '-l, --location <REGION>',
      'where a group that is made, or a deployment to the subscription, is',
      'westus2',
    )
    .option('-n, --name <NAME>', "the deployment's name (default: that of the file)")
    .addOption(
      new Option('--mode <MODE>', 'Complete deletes what the group has and the template omits')
        .default('Incremental')
        .argParser(oneOf(['Incremental', 'Complete'])),
    )
    .option('--what-if', 'only say what would change; exit code 3 when something would')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Applied twice, a template changes nothing the second time. Exit codes: 0 applied, or nothing to change; 1 refused or
failed; 3 with --what-if, when something would change. See docs/templates.md`,
    )
    .action((file: string, found: Found) => withClient(found, (client) => run(client, file, found)))
}

/** What a what-if or a deployment would do to one resource. */
interface Change {
  readonly resourceId: string
  readonly changeType: string
  readonly delta?: readonly { readonly path: string; readonly propertyChangeType: string }[]
}

/** A deployment, as the paths and bodies of its requests need it. */
interface Wanted {
  readonly path: (word?: string) => string
  readonly body: Json
  readonly group: string | undefined
  readonly location: string
}

const apiVersion = '2022-09-01'
/** The exit code of a what-if that finds something to change. */
const changesExitCode = 3
/** Between two looks at a deployment. */
const lookMs = 250

async function run(client: Client, file: string, found: Found): Promise<void> {
  const wanted = await read(file, found)
  const isThere = wanted.group === undefined || (await hasGroup(client, wanted.group))
  const printed = found.json === true
  if (found.whatIf === true) {
    const changes = isThere ? await whatIf(client, wanted) : [groupChange(wanted.group)]
    if (!isThere)
      note(`there is no resource group '${wanted.group}' yet: it and all of the template would be made`)
    process.stdout.write(printed ? json({ changes }) : tableOf(changes, 'WOULD'))
    if (changes.some(isChange)) process.exitCode = changesExitCode
    return
  }
  if (!isThere) {
    await client.change('PUT', groupPath(wanted.group), { location: wanted.location })
    note(`made resource group '${wanted.group}'`)
  }
  const changes = await whatIf(client, wanted)
  const deployment = await deploy(client, wanted, changes)
  if (printed) process.stdout.write(json({ changes, deployment }))
  else process.stdout.write(tableOf(changes, 'DID') + outputsOf(deployment))
}

async function read(file: string, found: Found): Promise<Wanted> {
  const template = await readTemplateFile(file)
  const parameters = await readParameters(listOf(found, 'parameters') ?? [])
  const name = textOf(found, 'name') ?? deploymentNameOf(file)
  const location = textOf(found, 'location') as string
  const group = isForSubscription(template) ? undefined : (textOf(found, 'resourceGroup') as string)
  const scope =
    group === undefined ? subscription : `${subscription}/resourceGroups/${encodeURIComponent(group)}`
  const deployment = `${scope}/providers/Microsoft.Resources/deployments/${encodeURIComponent(name)}`
  return {
    path: (word) => `${deployment}${word === undefined ? '' : `/${word}`}?api-version=${apiVersion}`,
    body: {
      ...(group === undefined && { location }),
      properties: { mode: textOf(found, 'mode'), template, parameters },
    },
    group,
    location,
  }
}

async function readParameters(values: readonly string[]): Promise<ObjectValue> {
  const parameters = new Map<string, Value>()
  for (const value of values) {
    const [, name, given] = /^([\p{L}_][\p{L}\p{N}_]*)=(.*)$/su.exec(value) ?? []
    if (name !== undefined) parameters.set(name, { value: valueOf(given as string) })
    // The @ is how az writes it.
    else {
      // What comes later counts, so that one is read after the other.
      // oxlint-disable-next-line no-await-in-loop
      const file = await readParameterFile(value.replace(/^@/, ''))
      for (const [each, content] of Object.entries(file)) parameters.set(each, content)
    }
  }
  return Object.fromEntries(parameters)
}

function valueOf(text: string): Value {
  try {
    return JSON.parse(text) as Value
  } catch {
    return text
  }
}

async function hasGroup(client: Client, group: string): Promise<boolean> {
  try {
    await client.request('GET', groupPath(group))
    return true
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return false
    throw error
  }
}

async function whatIf(client: Client, { path, body }: Wanted): Promise<readonly Change[]> {
  const answer = await client.request('POST', path('whatIf'), body)
  for (const { message } of answer?.properties?.diagnostics ?? []) note(plainLine(message as string).trim())
  return (answer?.properties?.changes ?? []) as readonly Change[]
}

/** Deploys, and says of each resource when it is there. Throws what went wrong, in one line. */
async function deploy(client: Client, { path, body }: Wanted, changes: readonly Change[]): Promise<Json> {
  let deployment = await client.request('PUT', path(), body)
  const told = new Set<string>()
  const total = changes.filter(({ changeType }) => changeType !== 'Ignore').length
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop
    for (const { operationId, properties } of await client.list(path('operations'))) {
      const { targetResource, provisioningOperation, provisioningState } = properties
      if (told.has(operationId as string) || targetResource === undefined) continue
      told.add(operationId as string)
      const what = `${provisioningOperation} ${provisioningState}`.toLowerCase()
      note(`${told.size}/${Math.max(total, told.size)} ${what}: ${shortId(targetResource.id as string)}`)
    }
    const { provisioningState: state, error } = deployment.properties
    if (state === 'Succeeded') return deployment
    if (state === 'Failed' || state === 'Canceled')
      throw new OperatorError(
        error ? `The deployment failed: ${reasonOf(error)}` : 'The deployment was canceled.',
      )
    // oxlint-disable-next-line no-await-in-loop
    await pause(lookMs)
    // oxlint-disable-next-line no-await-in-loop
    deployment = await client.request('GET', path())
  }
}

/** Every resource that failed, with the innermost reason. */
function reasonOf(error: Json): string {
  const { code, message, target, details = [] } = error
  if (details.length === 0) {
    const about = typeof target === 'string' && target.startsWith('/') ? `${shortId(target)}: ` : ''
    return plainLine(`${about}${message} (${code})`).trim()
  }
  const reasons = (details as readonly Json[]).map((each) => {
    const reason = reasonOf(each)
    return typeof each.target === 'string' && each.details?.length > 0
      ? `${shortId(each.target)}: ${reason}`
      : reason
  })
  return reasons.join('; ')
}

const isChange = ({ changeType }: Change) => changeType !== 'NoChange' && changeType !== 'Ignore'

const groupChange = (group: string): Change => ({
  resourceId: `${subscription}/resourceGroups/${group}`,
  changeType: 'Create',
})

/** Which resources change, and in what; those that the template leaves alone are not in it. */
function tableOf(changes: readonly Change[], heading: string): string {
  const shown = changes.filter(({ changeType }) => changeType !== 'Ignore')
  const rows = shown.map(({ resourceId, changeType, delta = [] }) => [
    words[changeType] ?? changeType.toLowerCase(),
    shortId(resourceId),
    delta
      .filter(({ propertyChangeType }) => propertyChangeType !== 'NoEffect')
      .map(({ path }) => path)
      .join(', '),
  ])
  return table([heading, 'RESOURCE', 'CHANGES IN'], rows)
}

const words: Readonly<Record<string, string>> = { NoChange: 'nothing', Unsupported: 'unknown' }

function outputsOf(deployment: Json): string {
  const outputs = Object.entries((deployment.properties.outputs ?? {}) as Record<string, Json>)
  if (outputs.length === 0) return ''
  const rows = outputs.map(([name, { type, value }]) => [
    name,
    type as string,
    typeof value === 'string' ? value : (JSON.stringify(value) ?? ''),
  ])
  return `\n${table(['OUTPUT', 'TYPE', 'VALUE'], rows)}`
}

/** The id without what is the same for all: the subscription, and the word before the provider. */
const shortId = (id: string) =>
  id.startsWith(subscription) ? id.slice(subscription.length + 1).replace(/^resourceGroups\//i, '') : id
