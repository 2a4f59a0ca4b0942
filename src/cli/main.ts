import { Command, CommanderError } from 'commander'
import { OperatorError } from '../base/operator-error.ts'
import { version } from '../version.ts'
import { commands } from './commands/index.ts'
import { UsageError } from './usage-error.ts'

/**
 * Runs the command that the arguments name. What went wrong is one line on stderr, and exit code 1; where it is the
 * arguments themselves, 2.
 */
export async function main(args: readonly string[]): Promise<void> {
  const program = new Command('busbar')
    .description('Azure Event Grid that you can run anywhere.')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      outputError: (text, write) =>
        write(
          `busbar: ${text
            .replace(/^error: /, '')
            .trimEnd()
            .replaceAll('\n', ' ')}\n`,
        ),
    })
    .addHelpText(
      'after',
      `
Each command has its own help: busbar start --help
Settings come from flags, then BUSBAR_ variables, then the configuration file: docs/configuration.md
Exit codes: 0 done, 1 refused or failed, 2 called in a wrong way.`,
    )
  for (const add of Object.values(commands)) add(program)
  // A reader that has seen enough, such as head, is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version end this way too, and so does a group of commands that was called without one.
      process.exitCode = error.exitCode === 0 ? 0 : 2
      return
    }
    if (!(error instanceof OperatorError)) throw error
    process.stderr.write(`busbar: ${error.message}\n`)
    process.exitCode = error instanceof UsageError ? 2 : 1
  }
}
