import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startControlPlane } from '../testing/control-plane.ts'
import { joinSecrets, splitSecrets } from './secret-members.ts'

test('members whose names say that they are secret are kept apart, wherever they are', () => {
  const given = {
    administratorLogin: 'ada',
    administratorLoginPassword: 'one',
    nested: [{ primaryKey: 'two', keyName: 'k', secretName: 's' }],
    protectedSettings: { script: 'three' },
    password: null,
    siteConfig: {
      appSettings: [{ name: 'KEY', value: 'four' }],
      connectionStrings: [{ name: 'db', connectionString: 'five', type: 'SQLAzure' }],
    },
    sshPublicKey: 'public',
  }
  const split = splitSecrets('Microsoft.Web/sites/shop', given)
  assert.deepEqual(split.properties, {
    administratorLogin: 'ada',
    nested: [{ keyName: 'k', secretName: 's' }],
    password: null,
    siteConfig: {
      appSettings: [{ name: 'KEY' }],
      connectionStrings: [{ name: 'db', type: 'SQLAzure' }],
    },
    sshPublicKey: 'public',
  })
  assert.deepEqual(joinSecrets(split), given)
})

test('what a vault keeps and what an application is set to is secret under any name', () => {
  assert.deepEqual(
    splitSecrets('Microsoft.KeyVault/vaults/secrets/any', { value: 'x', contentType: 'y' }).properties,
    {
      contentType: 'y',
    },
  )
  assert.deepEqual(splitSecrets('Microsoft.Web/sites/config/appsettings', { ANYTHING: 'x' }).properties, {})
})

test('a secret of a resource that is not run here is in no record and in no answer, and stays with an update', async (t) => {
  const { call, catalog } = await startControlPlane(t)
  await call('PUT', '/resourceGroups/rg', { location: 'westus2' })
  const path = '/resourceGroups/rg/providers/Microsoft.Sql/servers/db'
  const properties = { administratorLogin: 'ada', administratorLoginPassword: 'Pa55-w0rd' }
  const made = await call('PUT', path, { location: 'westus2', properties })
  assert.equal(made.body.properties.administratorLogin, 'ada')
  assert.doesNotMatch(JSON.stringify(made.body), /Pa55/)
  await call('PATCH', path, { properties: { version: '12.0' } })
  const [found] = catalog.below('Microsoft.Sql/servers', '')
  assert.ok(found)
  const { resource } = found
  assert.doesNotMatch(JSON.stringify(resource), /Pa55/)
  const { secrets } = catalog.unseal(resource, resource)
  assert.deepEqual(Object.values(secrets), ['"Pa55-w0rd"'])
  assert.equal(resource.properties.version, '12.0')
})
