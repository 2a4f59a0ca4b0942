import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimsWithoutToken, encodeClaims } from './claims.ts'

test('claims are text under their long names, those that bound the token first', () => {
  const claims = encodeClaims({
    acr: '1',
    amr: ['rsa', 'mfa'],
    appid: 'a',
    aud: 'https://management.core.windows.net/',
    deviceid: 'd',
    exp: 1767326945,
    family_name: 'f',
    given_name: 'g',
    iat: 1767323045,
    idp: 'p',
    iss: 'https://sts.windows.net/t/',
    nbf: 1767323045,
    oid: 'o',
    scp: 'user_impersonation',
    sub: 's',
    tid: 't',
    unique_name: 'n',
    upn: 'u',
    ver: '1.0',
    _claim_names: { groups: 'src1' },
    nothing: null,
  })
  const schemas = 'http://schemas.microsoft.com'
  const soap = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims'
  assert.deepEqual(Object.entries(claims), [
    ['aud', 'https://management.core.windows.net/'],
    ['iss', 'https://sts.windows.net/t/'],
    ['iat', '1767323045'],
    ['nbf', '1767323045'],
    ['exp', '1767326945'],
    [`${schemas}/claims/authnclassreference`, '1'],
    [`${schemas}/claims/authnmethodsreferences`, 'rsa,mfa'],
    ['appid', 'a'],
    [`${schemas}/2012/01/devicecontext/claims/identifier`, 'd'],
    [`${soap}/surname`, 'f'],
    [`${soap}/givenname`, 'g'],
    [`${schemas}/identity/claims/identityprovider`, 'p'],
    [`${schemas}/identity/claims/objectidentifier`, 'o'],
    [`${schemas}/identity/claims/scope`, 'user_impersonation'],
    [`${soap}/nameidentifier`, 's'],
    [`${schemas}/identity/claims/tenantid`, 't'],
    [`${soap}/name`, 'n'],
    [`${soap}/upn`, 'u'],
    ['ver', '1.0'],
    ['_claim_names', '{"groups":"src1"}'],
  ])
})

test('who comes without a token is told by the same names, always with the same object id', () => {
  const claims = claimsWithoutToken({ name: 'ada', tenantId: 't' })
  assert.deepEqual(claims, claimsWithoutToken({ name: 'ada', tenantId: 't' }))
  assert.equal(claims.name, 'ada')
  assert.equal(claims['http://schemas.microsoft.com/identity/claims/tenantid'], 't')
  assert.notDeepEqual(claims, claimsWithoutToken({ name: 'bob', tenantId: 't' }))
})
