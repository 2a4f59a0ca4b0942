import assert from 'node:assert/strict'
import { test } from 'node:test'
import { splitAudience } from './policy-token.ts'

test('an audience loses the slashes at its end, and a million elsewhere take no time', () => {
  assert.deepEqual(splitAudience('contoso.azure-devices.net:5671/devices/a//'), {
    host: 'contoso.azure-devices.net',
    path: '/devices/a',
  })
  const path = `${'/'.repeat(1_000_000)}x`
  assert.equal(splitAudience(`contoso.azure-devices.net${path}`).path, path)
})
