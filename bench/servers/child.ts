import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { nowUs, until } from '../load/monotonic.ts'

export interface Child {
  readonly pid: number
  readonly startedUs: number
  readonly stdout: readonly string[]
  readonly stderr: readonly string[]
  readonly running: boolean
  /** Resolves to the line on stdout that matches; rejects when the process ends before it, or after a minute. */
  line(pattern: RegExp): Promise<string>
  /** Sends the signal and waits for the end; resolves to the exit code, or null when a signal ended it. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>
}

/** Of what a child says, so many lines are kept. */
const keptLines = 2000
const readyWithinMs = 120_000

export function startChild(command: string, args: readonly string[]): Child {
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const stdout = linesOf(child.stdout)
  const stderr = linesOf(child.stderr)
  let failure: Error | undefined
  child.on('error', (error) => {
    failure = error
  })
  // Nothing that was started here outlives this process, even if it ends by a fault.
  const kill = () => void child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
  const running = () => !failure && child.exitCode === null && child.signalCode === null
  return {
    pid: child.pid ?? 0,
    startedUs: nowUs(),
    stdout,
    stderr,
    get running() {
      return running()
    },
    async line(pattern) {
      let found: string | undefined
      const find = () => (found = stdout.find((line) => pattern.test(line))) !== undefined
      await until(() => find() || !running(), readyWithinMs, 2)
      if (!find()) {
        const said = stderr.slice(-20).join('\n')
        throw new Error(`'${command}' was expected to say ${pattern}; it said:\n${said}`, { cause: failure })
      }
      return found as unknown as string
    },
    async end(signal) {
      if (running()) {
        const exited = once(child, 'exit')
        child.kill(signal)
        await exited
      }
      return child.exitCode
    },
  }
}

function linesOf(stream: Readable): string[] {
  const lines: string[] = []
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
    if (lines.length > 2 * keptLines) lines.splice(0, lines.length - keptLines)
  })
  return lines
}
