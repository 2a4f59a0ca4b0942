import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CertificateWishes, issueTestCertificate, x509Of } from '../testing/client-certificates.ts'
import { bearsName, namesIn, normalizeThumbprint, thumbprintsOf } from './certificate.ts'
import { verifyChain, verifyValidity } from './certificate-chain.ts'

const issue = async (wishes: CertificateWishes) => x509Of(await issueTestCertificate(wishes))

test('the subject bears its common name and the whole distinguished name, in either order', async () => {
  const own = await issue({ subject: 'CN=Device1, O=Contoso, C=US' })
  for (const name of ['Device1', 'device1', 'CN=Device1,O=Contoso,C=US', 'C=US, O=Contoso, CN=device1'])
    assert.equal(bearsName(own, 'SubjectMatchesAuthenticationName', name), true, name)
  for (const name of ['Contoso', 'device', 'CN=Device1', 'device1 '])
    assert.equal(bearsName(own, 'SubjectMatchesAuthenticationName', name), false, name)
})

test('each scheme looks at its own field of the alternative names', async () => {
  const own = await issue({
    names: [
      { type: 'dns', value: 'a.example.org' },
      { type: 'dns', value: 'b.example.org' },
      { type: 'url', value: 'urn:device:a,b"c' },
      { type: 'ip', value: '10.0.0.1' },
      { type: 'ip', value: '2001:db8::1' },
      { type: 'email', value: 'device@example.org' },
    ],
  })
  const cases = [
    ['DnsMatchesAuthenticationName', 'B.example.org', true],
    ['DnsMatchesAuthenticationName', 'device@example.org', false],
    ['UriMatchesAuthenticationName', 'urn:device:a,b"c', true],
    ['UriMatchesAuthenticationName', 'urn:device:a', false],
    ['IpMatchesAuthenticationName', '10.0.0.1', true],
    ['IpMatchesAuthenticationName', '2001:0db8:0:0::0001', true],
    ['IpMatchesAuthenticationName', '10.0.0.2', false],
    ['EmailMatchesAuthenticationName', 'Device@example.org', true],
    ['SubjectMatchesAuthenticationName', 'a.example.org', false],
  ] as const
  for (const [scheme, name, expected] of cases)
    assert.equal(bearsName(own, scheme, name), expected, `${scheme} ${name}`)
  assert.deepEqual(namesIn(own, 'ClientCertificateDns'), ['a.example.org', 'b.example.org'])
})

test('a thumbprint is read with colons, blanks and in any letter case, as SHA-1 and as SHA-256', async () => {
  const own = await issue({})
  for (const text of [
    own.fingerprint,
    own.fingerprint256,
    own.fingerprint256.replaceAll(':', ' ').toLowerCase(),
  ])
    assert.ok(thumbprintsOf(own).includes(normalizeThumbprint(text) as string))
  assert.equal(normalizeThumbprint('ab'.repeat(21)), undefined)
  assert.equal(normalizeThumbprint('zz'.repeat(20)), undefined)
})

const now = Date.now()
const hour = 3_600_000

test('a certificate signed by a registered authority is good until the first of both expires', async () => {
  const root = await issueTestCertificate({ subject: 'CN=root', authority: true, until: now + 2 * hour })
  const own = await issue({ by: root, until: now + hour })
  const verdict = verifyChain(own, [], [x509Of(root)], now)
  const anchor = x509Of(root).fingerprint256
  assert.deepEqual(verdict, { kind: 'good', validUntil: own.validToDate.getTime(), anchor })
  const longer = await issue({ by: root, until: now + 3 * hour })
  assert.deepEqual(verifyChain(longer, [], [x509Of(root)], now), {
    kind: 'good',
    validUntil: x509Of(root).validToDate.getTime(),
    anchor,
  })
})

test('what lies between is to be sent along, and a registered intermediate is an anchor by itself', async () => {
  const root = await issueTestCertificate({ subject: 'CN=root', authority: true })
  const middle = await issueTestCertificate({ subject: 'CN=middle', authority: true, by: root })
  const last = await issueTestCertificate({ subject: 'CN=last', authority: true, by: middle })
  const own = await issue({ by: last })
  const [r, m, l] = [root, middle, last].map(x509Of) as [typeof own, typeof own, typeof own]
  assert.equal(verifyChain(own, [], [r], now).kind, 'bad')
  assert.equal(verifyChain(own, [m], [r], now).kind, 'bad')
  assert.equal(verifyChain(own, [m, l], [r], now).kind, 'good')
  assert.equal(verifyChain(own, [l, m], [r], now).kind, 'good')
  assert.equal(verifyChain(own, [], [l], now).kind, 'good')
  assert.equal(verifyChain(own, [l], [m], now).kind, 'good')
})

const refusals: Readonly<Record<string, readonly [CertificateWishes, RegExp]>> = {
  'has expired': [{ until: now - 1 }, /^The certificate expired at /],
  'is not yet valid': [{ from: now + hour }, /^The certificate is not valid before /],
  'is for servers only': [{ purposes: ['1.3.6.1.5.5.7.3.1'] }, /not for the authentication of clients/],
  'has a critical extension that nobody knows': [
    { critical: '1.2.3.4' },
    /critical extension that is not supported/,
  ],
}
for (const [what, [wishes, why]] of Object.entries(refusals))
  test(`a certificate that ${what} is refused`, async () => {
    const root = await issueTestCertificate({ subject: 'CN=root', authority: true })
    const verdict = verifyChain(await issue({ ...wishes, by: root }), [], [x509Of(root)], now)
    assert.match(verdict.kind === 'bad' ? verdict.why : '', why)
  })

test('a certificate for clients among others is good', async () => {
  const root = await issueTestCertificate({ subject: 'CN=root', authority: true })
  const own = await issue({ by: root, purposes: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'] })
  assert.equal(verifyChain(own, [], [x509Of(root)], now).kind, 'good')
})

test('an authority of the same name with another key has not signed it', async () => {
  const root = await issueTestCertificate({ subject: 'CN=root', authority: true })
  const other = await issueTestCertificate({ subject: 'CN=root', authority: true })
  const verdict = verifyChain(await issue({ by: root }), [], [x509Of(other)], now)
  assert.match(
    verdict.kind === 'bad' ? verdict.why : '',
    /not signed by a registered CA certificate; its issuer is 'CN=root'/,
  )
})

test('what is sent along signs nothing unless it is an authority, valid, and within the path length', async () => {
  const root = await issueTestCertificate({ subject: 'CN=root', authority: true })
  const plain = await issueTestCertificate({ subject: 'CN=plain', by: root })
  const old = await issueTestCertificate({ subject: 'CN=old', authority: true, by: root, until: now - 1 })
  const why = async (by: typeof root, sent: typeof root, anchor = root) => {
    const verdict = verifyChain(await issue({ by }), [x509Of(sent)], [x509Of(anchor)], now)
    return verdict.kind === 'bad' ? verdict.why : ''
  }
  assert.match(await why(plain, plain), /'CN=plain' is not that of a certificate authority/)
  assert.match(await why(old, old), /'CN=old' expired/)
  const short = await issueTestCertificate({ subject: 'CN=short', authority: 0 })
  const below = await issueTestCertificate({ subject: 'CN=below', authority: true, by: short })
  assert.match(
    await why(below, below, short),
    /'CN=short' allows 0 intermediate certificates below it; there are 1/,
  )
})

test('an authority that has expired signs no longer', async () => {
  const root = await issueTestCertificate({ subject: 'CN=root', authority: true, until: now - 1 })
  const verdict = verifyChain(await issue({ by: root }), [], [x509Of(root)], now)
  assert.match(verdict.kind === 'bad' ? verdict.why : '', /^The CA certificate 'CN=root' expired at /)
})

test('without a chain the dates alone count', async () => {
  assert.equal(verifyValidity(await issue({}), now).kind, 'good')
  assert.equal(verifyValidity(await issue({ until: now - 1 }), now).kind, 'bad')
})
