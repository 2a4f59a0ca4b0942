import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Argument } from 'commander'
import { OperatorError } from '../../base/operator-error.ts'
import { readOptions } from '../../config.ts'
import { lockDataDirectory } from '../../data-directory.ts'
import { type AddCommand, flagValues, settingOption } from './command.ts'

const modes = ['check', 'stat', 'repair'] as const

export const store: AddCommand = (program) => {
  program
    .command('store')
    .description('Look into the store of a server that is not running.')
    .helpOption('-h, --help', 'print this help')
    .addArgument(new Argument('<what>', 'check, stat or repair').choices(modes))
    .addOption(settingOption('dataDir'))
    .addOption(settingOption('config'))
    .addHelpText(
      'after',
      `
  check   reads everything and says what is damaged; exit code 1 if anything is
  stat    says how much is there
  repair  does what check asks for; keeps a copy of every file that it changes`,
    )
    .action(async (mode: (typeof modes)[number], found: Record<string, string>) => {
      const { dataDir } = await readOptions({ flags: flagValues(found), env: process.env })
      const directory = join(dataDir, 'store')
      if (!existsSync(directory)) throw new OperatorError(`There is no store in ${dataDir}.`)
      const { inspectStore } = await import('../../store/engines/embedded/inspect.ts')
      const unlock = lockDataDirectory(dataDir)
      try {
        const { ok, lines } = await inspectStore({ directory, mode })
        process.stdout.write(lines.map((line) => `${line}\n`).join(''))
        if (!ok) process.exitCode = 1
      } catch (error) {
        throw new OperatorError(`The store in ${dataDir} cannot be read: ${(error as Error).message}`, error)
      } finally {
        unlock()
      }
    })
}
