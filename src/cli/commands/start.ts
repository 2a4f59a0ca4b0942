import { isAbsolute, relative } from 'node:path'
import { createSystemClock } from '../../base/clock.ts'
import { stayAlive } from '../../base/later.ts'
import { readOptions, type SettingName, settings } from '../../config.ts'
import type { RunningServer } from '../../server.ts'
import { version } from '../../version.ts'
import { type AddCommand, flagValues, settingOption } from './command.ts'

export const start: AddCommand = (program) => {
  const command = program
    .command('start')
    .description('Run the server until SIGINT or SIGTERM.')
    .helpOption('-h, --help', 'print this help')
    .addHelpText(
      'after',
      `
When every listener is open, one line on stdout says where. The first signal stops in at most ten seconds
and exits 0; a second one exits at once. Connections, limits and who may sign in are set in the configuration
file: docs/configuration.md`,
    )
    .action(async (found: Record<string, string | boolean>) => run(flagValues(found)))
  for (const name of Object.keys(settings) as SettingName[]) command.addOption(settingOption(name))
}

/** In which the server must have stopped; what it could not finish by then is recovered at the next start. */
const stopMs = 10_000
/** npm passes on the SIGINT that the terminal has already sent: the same Ctrl-C, not a second one. */
const echoMs = 250

async function run(flags: Partial<Record<SettingName, string>>): Promise<void> {
  const options = await readOptions({ flags, env: process.env })
  const signal = firstSignal()
  const stop = new AbortController()
  void signal.then(() => stop.abort())
  // Loaded here: what the other commands do not need would cost each of them half of its time.
  const { startServer } = await import('../../server.ts')
  const server = await startServer(options, { signal: stop.signal }).catch((error: unknown) => {
    // Whoever stops a server that still applies its template wants no more of it.
    if (stop.signal.aborted && options.template) process.exit(0)
    throw error
  })
  process.stdout.write(`${readyLine(server)}\n`)
  await signal
  // With the listeners closed, what is still to be written may have nothing but a timer to wake it.
  stayAlive()
  const clock = createSystemClock()
  clock.at(clock.now() + stopMs, () => {
    process.stderr.write(`busbar: not stopped after ${stopMs / 1000} seconds, giving up\n`)
    process.exit(1)
  })
  await server.close()
  process.exit(0)
}

/** Resolves with the first SIGINT or SIGTERM; the next one ends the process at once, with the shell's code for it. */
function firstSignal(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const clock = createSystemClock()
  let first: { readonly signal: string; readonly at: number } | undefined
  const onSignal = (signal: NodeJS.Signals, code: number) => {
    const now = clock.now()
    if (first === undefined) {
      first = { signal, at: now }
      resolve()
      return
    }
    const echo = signal === 'SIGINT' && first.signal === 'SIGINT' && now - first.at < echoMs
    if (!echo) process.exit(128 + code)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return promise
}

function readyLine({ http, https, mqtt, mqtts, amqps, dataDir }: RunningServer): string {
  const shown = relative(process.cwd(), dataDir)
  const data = shown === '' ? '.' : shown.startsWith('..') || isAbsolute(shown) ? dataDir : shown
  const listeners = Object.entries({ http, https, mqtt, mqtts, amqps }).flatMap(([name, url]) =>
    url === undefined ? [] : [`${name} ${url}`],
  )
  return [`busbar ${version} ready`, ...listeners, `data ${data}`].join('  ')
}
