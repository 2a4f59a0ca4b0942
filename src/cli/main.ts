import { Command } from 'commander'
import { OperatorError } from '../base/operator-error.ts'
import { version } from '../version.ts'
import { commands } from './commands/index.ts'

/** Runs the command that the arguments name. What went wrong is one line on stderr, and exit code 1. */
export async function main(args: readonly string[]): Promise<void> {
  const program = new Command('busbar')
    .description('Azure Event Grid that you can run anywhere.')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .showSuggestionAfterError(true)
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
Settings come from flags, then BUSBAR_ variables, then the configuration file: docs/configuration.md`,
    )
  for (const add of Object.values(commands)) add(program)
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error
    process.stderr.write(`busbar: ${error.message}\n`)
    process.exitCode = 1
  }
}
