import { openLocalSystem } from './system.ts'

/*
 * A process to be killed: the system of `system.ts`, asked over the channel to its parent. `node process.ts DIRECTORY
 * NOW`; a request is `{ id, call, args }`, an answer `{ id, value }` or `{ id, error }`.
 */

const [directory, now] = process.argv.slice(2)
if (directory === undefined || now === undefined) throw new Error('A directory and a moment were expected.')
const system = await openLocalSystem(directory, Number(now))

interface Request {
  readonly id: number
  readonly call: Exclude<keyof typeof system, 'close'>
  readonly args: readonly never[]
}

process.on('message', (request: Request) => {
  const { id, call, args } = request
  const done = (system[call] as (...given: readonly never[]) => Promise<unknown>)(...args)
  done.then(
    (value) => process.send?.({ id, value }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  )
})
process.on('disconnect', () => process.exit())
process.send?.({ id: 0 })
