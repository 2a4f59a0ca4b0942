import { parseArgs } from 'node:util'
import { fuzzPackets } from './torture/mqtt-packets.ts'

/*
 * `npm run torture:mqtt`: mutated MQTT packets, which must be understood or refused and do nothing else. Exits 1, with
 * the bytes that did it, when something else happened.
 */

const usage = `npm run torture:mqtt -- [PACKETS] [options]

  PACKETS         how many mutated packets (10000000)
  --seed N        repeats an earlier run
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string' }, help: { type: 'boolean', default: false } },
})

if (values.help) console.log(usage)
else {
  const packets = whole('PACKETS', positionals[0] ?? '10000000')
  const seed = whole('--seed', values.seed ?? String(Date.now() % 1_000_000))
  const step = 500_000
  const total = { understood: 0, refused: 0 }
  for (let done = 0; done < packets; done += step) {
    const { understood, refused } = fuzzPackets({
      packets: Math.min(step, packets - done),
      seed: seed + done,
    })
    total.understood += understood
    total.refused += refused
    console.log(
      `${total.understood + total.refused} mutated packets: ${total.understood} understood, ${total.refused} refused (--seed ${seed})`,
    )
  }
}

function whole(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`${name} takes a whole number, not '${text}'.`)
  return value
}
