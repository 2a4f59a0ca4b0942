import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../base/log.ts'
import { createSealer } from '../base/sealer.ts'
import { openMemoryStore } from '../store/engines/memory.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { decodeConfiguration } from './configuration.ts'
import { decodeIdentity } from './identity.ts'
import { defaultRegistryLimits } from './limits.ts'
import { Registry } from './registry.ts'

const condition = "tags.site = 'oslo'"

/** A registry that can be opened again, as after a crash. */
function start() {
  const clock = new ManualClock()
  const { records } = openMemoryStore()
  const open = () =>
    Registry.open({
      ...{ hubUid: 'u1', records, clock, log: createLog('silent'), limits: defaultRegistryLimits },
      sealer: createSealer(Buffer.alloc(32)),
      onChange: () => {},
    })
  const add = (registry: Registry, id: string, deviceContent: object, priority = 0) => {
    const body = { targetCondition: condition, priority, content: { deviceContent } }
    return registry.configurations.create(id, decodeConfiguration(body, id), 100)
  }
  return { records, open, add }
}

const device = (registry: Registry, deviceId: string) =>
  registry.create({ deviceId }, decodeIdentity({}), { tags: { site: 'oslo' } })

test('what was being applied when the process ended is applied at the next start', async () => {
  const { records, open, add } = start()
  const first = await open()
  await Promise.all(Array.from({ length: 500 }, (_, n) => device(first, `d${n}`)))
  await add(first, 'c', { 'properties.desired.a': 1 })
  await first.configurations.close()
  assert(first.configurationCounts('c').applied < 500)
  assert(await records.get('hub/u1/applying'))
  const second = await open()
  await second.configurations.settle()
  assert.deepEqual(second.configurationCounts('c'), { targeted: 500, applied: 500 })
  assert.equal((await second.get({ deviceId: 'd499' })).twin.desired.value.a, 1)
  assert.equal(await records.get('hub/u1/applying'), undefined)
})

test('a twin is not written again where a configuration changes nothing of it', async () => {
  const { open, add } = start()
  const registry = await open()
  await device(registry, 'd')
  await add(registry, 'c', { 'properties.desired.a': 1 })
  await registry.configurations.settle()
  const { version } = (await registry.get({ deviceId: 'd' })).twin
  const request = decodeConfiguration({ labels: { env: 'test' } }, 'c')
  await registry.configurations.update('c', request, undefined)
  await registry.configurations.settle()
  assert.equal((await registry.get({ deviceId: 'd' })).twin.version, version)
})

test('null in the content takes a value away, and a path puts its value in the place of all that was there', async () => {
  const { open, add } = start()
  const registry = await open()
  await device(registry, 'd')
  await registry.changeTwin(
    { deviceId: 'd' },
    { desired: { gone: 1, kept: { a: 1, b: 2 } } },
    'patch',
    undefined,
  )
  await add(registry, 'c', { 'properties.desired.gone': null, 'properties.desired.kept': { b: 3 } })
  await registry.configurations.settle()
  const { desired } = (await registry.get({ deviceId: 'd' })).twin
  assert.deepEqual(desired.value, { kept: { b: 3 } })
  const { configurations } = await registry.get({ deviceId: 'd' })
  assert.deepEqual(configurations, { c: { status: 'Applied' } })
})

test('a configuration that would make the properties too large is targeted and not applied', async () => {
  const { open, add } = start()
  const registry = await open()
  await device(registry, 'd')
  const large = Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`k${n}`, 'x'.repeat(4_000)]))
  await add(registry, 'c', { 'properties.desired.large': large })
  await registry.configurations.settle()
  const { twin, configurations } = await registry.get({ deviceId: 'd' })
  assert.deepEqual([twin.desired.value, configurations], [{}, { c: { status: 'Targeted' } }])
  assert.deepEqual(registry.configurationCounts('c'), { targeted: 1, applied: 0 })
})

test('a device that goes is counted no more', async () => {
  const { open, add } = start()
  const registry = await open()
  await add(registry, 'c', { 'properties.desired.a': 1 })
  const made = await device(registry, 'd')
  assert.deepEqual(made.twin.desired.value, { a: 1 }, 'a new device has it from the start')
  assert.deepEqual(registry.configurationCounts('c'), { targeted: 1, applied: 1 })
  await registry.remove({ deviceId: 'd' }, undefined)
  assert.deepEqual(registry.configurationCounts('c'), { targeted: 0, applied: 0 })
})

test('changes that are on their way when a configuration comes have it laid on them all the same', async () => {
  const { open, add } = start()
  const registry = await open()
  const names = Array.from({ length: 100 }, (_, n) => ({ deviceId: `d${n}` }))
  await Promise.all(names.map((name) => registry.create(name, decodeIdentity({}))))
  const tags = { site: 'oslo' }
  const change = (some: typeof names) =>
    Promise.all(some.map((name) => registry.changeTwin(name, { tags }, 'patch', undefined)))
  await Promise.all([
    change(names.slice(0, 50)),
    add(registry, 'c', { 'properties.desired.a': 1 }),
    change(names.slice(50)),
  ])
  await registry.configurations.settle()
  assert.deepEqual(registry.configurationCounts('c'), { targeted: 100, applied: 100 })
})
