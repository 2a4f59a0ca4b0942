import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sharedAccessSignature } from './shared-access-signature.ts'

/** The signature was made with `openssl dgst -sha256 -hmac`. */
test('a shared access signature signs the encoded resource and the second in which it ends', () => {
  const token = sharedAccessSignature(
    'http://ns.servicebus.windows.net/hc',
    { keyName: 'send only', key: 'YWJj+/ZGVm==' },
    1_767_326_645_999,
  )
  assert.equal(
    token,
    'SharedAccessSignature sr=http%3A%2F%2Fns.servicebus.windows.net%2Fhc' +
      '&sig=qWb47jfxRxbz19l%2BcIa28W84bUsoaHYHfhgiuDCEmbU%3D&se=1767326645&skn=send%20only',
  )
})
