import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { closeAfter } from '../src/testing/close-after.ts'

const cli = fileURLToPath(new URL('../src/cli/cli.ts', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface BusbarProcess {
  readonly pid: number
  /** The first line on stdout; rejects with what stderr says when the process ends without one. */
  readonly ready: Promise<string>
  readonly ended: Promise<Ended>
  /** Whatever it has printed until now. */
  readonly stdout: () => string
  /** Resolves when stdout matches; rejects when the process ends without. */
  printed(pattern: RegExp): Promise<void>
  /** The same of stderr. */
  told(pattern: RegExp): Promise<void>
  /** All that comes on its stdin. */
  write(input: string): void
  kill(signal: NodeJS.Signals): void
}

/** The real command in a process of its own; killed after the test if it still runs. */
export function runBusbar(
  t: TestContext,
  args: readonly string[],
  { cwd, env = {} }: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): BusbarProcess {
  // The tests' own BUSBAR_ variables, if any, are not those of the process under test.
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('BUSBAR_')),
  )
  const child = spawn(process.execPath, [cli, ...args], { cwd, env: { ...inherited, ...env } })
  let stdout = ''
  let stderr = ''
  const looking = new Set<() => void>()
  const { promise: ready, resolve, reject } = Promise.withResolvers<string>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    if (stdout.includes('\n')) resolve(stdout.slice(0, stdout.indexOf('\n')))
    for (const look of looking) look()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    for (const look of looking) look()
  })
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    reject(new Error(`ended with ${code ?? signal}: ${stderr}`))
    return { code, signal, stdout, stderr }
  })
  // Who only waits for the end does not look at it.
  ready.catch(() => {})
  closeAfter(t, async () => {
    child.kill('SIGKILL')
    await ended
  })
  const saw = async (output: () => string, pattern: RegExp) => {
    const { promise: seen, resolve: see } = Promise.withResolvers<void>()
    const look = () => {
      if (pattern.test(output())) see()
    }
    looking.add(look)
    look()
    const end = ended.then(() => {
      if (!pattern.test(output())) throw new Error(`ended without ${pattern}: ${stdout}${stderr}`)
    })
    await Promise.race([seen, end])
    looking.delete(look)
  }
  return {
    pid: child.pid as number,
    ready,
    ended,
    stdout: () => stdout,
    printed: (pattern) => saw(() => stdout, pattern),
    told: (pattern) => saw(() => stderr, pattern),
    write: (input) => child.stdin.on('error', () => {}).end(input),
    kill: (signal) => child.kill(signal),
  }
}

/** Starts on free ports in `cwd` and waits until it is ready. */
export async function startBusbar(
  t: TestContext,
  cwd: string,
  more: readonly string[] = [],
): Promise<BusbarProcess & { readonly http: string; readonly https: string; readonly line: string }> {
  const busbar = runBusbar(t, ['start', '--http-port', '0', '--https-port', '0', ...more], { cwd })
  const line = await busbar.ready
  const url = (scheme: string) => new RegExp(`  ${scheme} (\\S+)`).exec(line)?.[1] ?? ''
  return { ...busbar, line, http: url('http'), https: url('https') }
}
