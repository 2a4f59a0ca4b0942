import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A broker in a process of its own, on the first processor where the system can pin it. */
export interface RunningBroker {
  readonly name: string
  readonly port: number
  /** User and system time so far. */
  cpuSeconds(): number
  residentKib(): number
  close(): Promise<void>
}

export const brokerNames = ['busbar', 'mosquitto', 'aedes'] as const
export type BrokerName = (typeof brokerNames)[number]

const here = import.meta.dirname
const startMs = 15_000

export const isInstalled = (name: BrokerName): boolean =>
  name !== 'mosquitto' || spawnSync('mosquitto', ['-h'], { stdio: 'ignore' }).error === undefined

export async function startBroker(name: BrokerName): Promise<RunningBroker> {
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'busbar-bench-'))
  const command = commandOf(name, port, directory)
  const pinned = canPin() ? ['taskset', '-c', '0', ...command] : command
  const child = spawn(pinned[0] as string, pinned.slice(1), { stdio: 'ignore' })
  await listening(port, child)
  const stat = () => {
    const text = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  }
  return {
    name,
    port,
    cpuSeconds: () => (Number(stat()[11]) + Number(stat()[12])) / 100,
    residentKib: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]),
    async close() {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function commandOf(name: BrokerName, port: number, directory: string): readonly string[] {
  if (name !== 'mosquitto') return [process.execPath, join(here, `${name}-broker.ts`), String(port)]
  const file = join(directory, 'mosquitto.conf')
  writeFileSync(
    file,
    `listener ${port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n`,
  )
  return ['mosquitto', '-c', file]
}

const canPin = () => spawnSync('taskset', ['-V'], { stdio: 'ignore' }).error === undefined

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  for (let waited = 0; waited < startMs; waited += 50) {
    if (child.exitCode !== null) break
    const socket = connect(port, '127.0.0.1')
    const there = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false)
    socket.destroy()
    if (there) return
    await sleep(50)
  }
  throw new Error(`${child.spawnargs.join(' ')} does not listen on port ${port}`)
}
