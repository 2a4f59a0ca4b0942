import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { MortalSystem } from './run.ts'

const program = fileURLToPath(new URL('./process.ts', import.meta.url))

export interface RemoteSystem extends MortalSystem {
  readonly kills: number
  close(): Promise<void>
}

/** The system in a process of its own, that can be killed at any moment. */
export async function startMortalSystem(directory: string, now: number): Promise<RemoteSystem> {
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  let child: ChildProcess
  let nextId = 1
  let kills = 0

  const start = async (at: number) => {
    child = fork(program, [directory, String(at)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    child.on('message', (answer: { id: number; value?: unknown; error?: string }) => {
      if (answer.id === 0) return resolve()
      const asked = waiting.get(answer.id)
      waiting.delete(answer.id)
      if (answer.error === undefined) asked?.resolve(answer.value as never)
      else asked?.reject(new Error(answer.error))
    })
    child.once('exit', (code) => reject(new Error(`The process ended at its start, with ${code}.`)))
    await promise
  }
  const ask = <Value>(call: string, ...args: readonly unknown[]): Promise<Value> =>
    new Promise((resolve, reject) => {
      const id = nextId++
      waiting.set(id, { resolve, reject })
      child.send({ id, call, args })
    })
  const end = async (signal: 'SIGKILL' | 'SIGTERM') => {
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
    // What it answered before it died is still on the way.
    await new Promise<void>((resolve) => setImmediate(resolve))
    for (const { reject } of waiting.values()) reject(new Error('The process was killed.'))
    waiting.clear()
  }
  await start(now)
  return {
    get kills() {
      return kills
    },
    publish: (ids) => ask('publish', ids),
    receive: (max) => ask('receive', max),
    settle: (how, tokens, delayMs) => ask('settle', how, tokens, delayMs),
    advance: (ms) => ask('advance', ms),
    takeGivenUp: () => ask('takeGivenUp'),
    entries: () => ask('entries'),
    restart: () => ask('restart'),
    async kill(at) {
      kills++
      await end('SIGKILL')
      await start(at)
    },
    close: () => end('SIGKILL'),
  }
}
