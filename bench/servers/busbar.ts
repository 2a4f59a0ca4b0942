import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nowUs, until } from '../load/monotonic.ts'
import { type Child, startChild } from './child.ts'
import { ControlPlane } from './control-plane.ts'

const entryPoint = fileURLToPath(new URL('../../src/cli/cli.ts', import.meta.url))

export interface BusbarOptions {
  readonly dataDir: string
  /** 0 picks a free one. */
  readonly httpPort?: number
  readonly timeScale?: number
  readonly flags?: readonly string[]
  /** Where it writes a processor profile when it stops. */
  readonly profileDirectory?: string
}

export interface Busbar {
  readonly child: Child
  readonly pid: number
  /** The base of its HTTP listener. */
  readonly url: string
  readonly port: number
  /** Undefined where it has no such listener. */
  readonly mqttsPort: number | undefined
  /** PEM, of the authority of its TLS listeners. */
  readonly caFile: string
  /** From the start of the process until `GET /healthz` answered 200. */
  readonly startMs: number
  readonly controlPlane: ControlPlane
  /** Every series of `GET /metrics`, by name and labels. */
  metrics(): Promise<ReadonlyMap<string, number>>
  stop(): Promise<void>
  kill(): Promise<void>
}

/** A server of its own on loopback; resolves when it is healthy. */
export async function startBusbar(options: BusbarOptions): Promise<Busbar> {
  const { dataDir, httpPort = 0, timeScale, profileDirectory, flags = [] } = options
  const child = startChild(process.execPath, [
    ...(profileDirectory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`]),
    entryPoint,
    'start',
    ...['--data-dir', dataDir, '--http-port', String(httpPort), '--https-port', 'off'],
    ...(timeScale === undefined ? [] : ['--time-scale', String(timeScale)]),
    ...flags,
  ])
  try {
    await child.line(/http:\/\//)
    const { http, mqtts, caFile } = JSON.parse(await readFile(join(dataDir, 'run.json'), 'utf8')) as {
      readonly http: string
      readonly mqtts?: string
      readonly caFile: string
    }
    const healthy = async () => (await fetch(`${http}/healthz`)).status === 200
    if (!(await until(healthy, 120_000, 2))) throw new Error('Busbar was not healthy within two minutes.')
    const startMs = (nowUs() - child.startedUs) / 1000
    return {
      child,
      pid: child.pid,
      url: http,
      port: Number(new URL(http).port),
      mqttsPort: mqtts === undefined ? undefined : Number(new URL(mqtts).port),
      caFile,
      startMs,
      controlPlane: new ControlPlane(http),
      metrics: async () => decodeMetrics(await (await fetch(`${http}/metrics`)).text()),
      async stop() {
        const code = await child.end('SIGTERM')
        if (code !== 0)
          throw new Error(
            `Busbar was expected to exit 0 and exited ${code}:\n${child.stderr.slice(-20).join('\n')}`,
          )
      },
      kill: async () => void (await child.end('SIGKILL')),
    }
  } catch (error) {
    await child.end('SIGKILL')
    throw error
  }
}

function decodeMetrics(text: string): ReadonlyMap<string, number> {
  const series = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const space = line.lastIndexOf(' ')
    series.set(line.slice(0, space), Number(line.slice(space + 1)))
  }
  return series
}
