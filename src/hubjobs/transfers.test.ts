import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../base/log.ts'
import { createSealer } from '../base/sealer.ts'
import { defaultRegistryLimits } from '../registry/limits.ts'
import { Registry } from '../registry/registry.ts'
import { openMemoryStore } from '../store/engines/memory.ts'
import type { Records } from '../store/store.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { eventually } from '../testing/test-server.ts'
import { decodeTransfer } from './transfer.ts'
import { Transfers } from './transfers.ts'

test('an export that is cancelled while the one before it ends is not begun', async (t) => {
  const clock = new ManualClock()
  const { records } = openMemoryStore()
  const log = createLog('silent')
  const sealer = createSealer(Buffer.alloc(32))
  const registry = await Registry.open({
    ...{ hubUid: 'u1', records, sealer, clock, log, limits: defaultRegistryLimits },
    onChange: () => {},
  })
  /** The first export ends when this does. */
  const first = Promise.withResolvers<void>()
  let opened = 0
  /** What is written of a cancelled one waits for this. */
  const written = Promise.withResolvers<void>()
  const put: Records['put'] = async (key, value, expected) => {
    if ((value as { readonly status?: string }).status === 'cancelled') await written.promise
    return records.put(key, value, expected)
  }
  const slowly = new Proxy(records, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name)
      if (name === 'put') return put
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
  const transfers = await Transfers.open({
    ...{ hubUid: 'u1', registry, records: slowly, sealer, clock, log },
    importItem: () => Promise.resolve(undefined),
    containers: {
      open: () => {
        opened++
        return {
          putBlock: () => Promise.resolve(),
          commit: () => first.promise,
          read: () => Promise.reject(new Error('nothing is read')),
        }
      },
      close: () => Promise.resolve(),
    },
  })
  t.after(() => transfers.close())
  const request = decodeTransfer({ type: 'export', outputBlobContainerUri: 'https://a.example/c?sig=x' })
  const { jobId } = await transfers.create(request)
  const { jobId: next } = await transfers.create(request)
  await eventually(() => opened === 1)
  const cancelled = transfers.cancel(String(next))
  first.resolve()
  await eventually(() => transfers.get(String(jobId)).status === 'completed')
  written.resolve()
  await cancelled
  const { jobId: last } = await transfers.create(request)
  await eventually(() => transfers.get(String(last)).status === 'completed')
  assert.deepEqual([transfers.get(String(next)).status, opened], ['cancelled', 2])
})
