import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPublicKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { checkServerIdentity, connect, createServer, type PeerCertificate } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import { createLog } from '../base/log.ts'
import { closeAfter } from '../testing/close-after.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import { type Certificates, openCertificates } from './certificates.ts'
import { certificateNames } from './names.ts'

const dayMs = 86_400_000
const log = createLog('silent')

test('a client that trusts ca.pem completes a handshake with every name of the certificate', async (t) => {
  const { certificates } = await open(t, {
    names: certificateNames('192.0.2.7', ['busbar.example.org', '2001:db8::1', '::ffff:192.0.2.8']),
  })
  const names = [
    'localhost',
    '127.0.0.1',
    '::1',
    '192.0.2.7',
    '2001:db8::1',
    '::ffff:192.0.2.8',
    'busbar.example.org',
    'orders.westus2-1.eventgrid.azure.net',
    'orders.swedencentral-1.eventgrid.localhost',
  ]
  for (const name of names) assert.equal((await handshake(t, certificates, name)).subject.CN, 'localhost')
  await assert.rejects(handshake(t, certificates, 'elsewhere.example.org'), {
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  })
})

test('the certificates carry what strict clients insist on', async (t) => {
  const { certificates } = await open(t)
  const ca = new X509Certificate(certificates.caPem)
  const server = new X509Certificate(certificates.tls.cert)
  assert.ok(ca.ca)
  assert.ok(!server.ca)
  assert.ok(ca.verify(createPublicKey(certificates.caPem)))
  assert.ok(server.checkIssued(ca) && server.verify(ca.publicKey))
  assert.deepEqual(server.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  assert.notEqual(server.serialNumber, ca.serialNumber)
})

const openssl = spawnSync('openssl', ['version']).status === 0

test('OpenSSL finds no fault with them in its strict mode', {
  skip: !openssl && 'openssl is not here',
}, async (t) => {
  const { directory } = await open(t, { names: certificateNames('2001:db8::7', []) })
  const files = ['-CAfile', join(directory, 'ca.pem'), join(directory, 'server.pem')]
  const { stdout, stderr } = spawnSync('openssl', [
    'verify',
    '-x509_strict',
    '-purpose',
    'sslserver',
    ...files,
  ])
  assert.match(stdout.toString(), /: OK\n$/, stderr.toString())
})

test('private keys are readable by their owner alone', { skip: process.platform === 'win32' }, async (t) => {
  const { directory } = await open(t)
  for (const name of ['ca.key', 'server.key'])
    assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600)
})

test('the next start uses the same certificates', async (t) => {
  const first = await open(t)
  const second = await open(t, { directory: first.directory })
  assert.equal(second.certificates.caPem, first.certificates.caPem)
  assert.deepEqual(second.certificates.tls, first.certificates.tls)
})

test('a start that finds its certificates does not load what issues them', async (t) => {
  const directory = await temporaryDirectory(t)
  const script = `
    import { createSystemClock } from '${import.meta.resolve('../base/clock.ts')}'
    import { createLog } from '${import.meta.resolve('../base/log.ts')}'
    import { openCertificates } from '${import.meta.resolve('./certificates.ts')}'
    const [directory] = process.argv.slice(1)
    const clock = createSystemClock()
    await openCertificates({ directory, names: ['localhost'], clock, log: createLog('silent') })
    console.log('getMetadata' in Reflect)`
  const issuingIsLoaded = () => {
    const args = ['--input-type=module', '--eval', script, directory]
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    assert.equal(stderr, '')
    return stdout
  }
  assert.equal(issuingIsLoaded(), 'true\n')
  assert.equal(issuingIsLoaded(), 'false\n')
})

test('a further name brings a new server certificate from the same authority', async (t) => {
  const first = await open(t)
  const second = await open(t, {
    directory: first.directory,
    names: certificateNames('127.0.0.1', ['new.example.org']),
  })
  assert.equal(second.certificates.caPem, first.certificates.caPem)
  assert.match(new X509Certificate(second.certificates.tls.cert).subjectAltName ?? '', /new\.example\.org/)
})

test('a running server has a new certificate when less than thirty days are left, and clients still trust it', async (t) => {
  // It ends today, so that the handshake is one with the renewed certificate.
  const clock = movableClock(Date.now() - 62 * dayMs)
  const { certificates } = await open(t, { clock })
  const { cert } = certificates.tls
  let renewals = 0
  certificates.onRenew = () => renewals++

  await clock.advance(60 * dayMs - 1)
  assert.equal(certificates.tls.cert, cert)
  await clock.advance(2 * dayMs)
  assert.equal(renewals, 1)
  assert.notEqual(certificates.tls.cert, cert)
  assert.ok(daysLeft(certificates.tls.cert, clock.now()) > 87)
  await handshake(t, certificates, 'localhost')
})

test('a close while a renewal is under way waits for its end, and nobody is told of it', async (t) => {
  const clock = movableClock()
  const { certificates, directory } = await open(t, { clock })
  const { cert } = certificates.tls
  let renewals = 0
  certificates.onRenew = () => renewals++
  await clock.advance(60 * dayMs - 1)
  const advanced = clock.advance(1)
  assert.equal(certificates.tls.cert, cert)
  await certificates.close()
  assert.notEqual(readFileSync(join(directory, 'server.pem'), 'utf8'), cert)
  assert.equal(renewals, 0)
  await advanced
})

test('the authority outlives nine years of server certificates and is replaced in its last year', async (t) => {
  const clock = movableClock()
  const { certificates } = await open(t, { clock })
  const { caPem } = certificates
  await clock.advance((3_650 - 366) * dayMs)
  assert.equal(certificates.caPem, caPem)
  await clock.advance(3 * dayMs)
  assert.notEqual(certificates.caPem, caPem)
  assert.ok(new X509Certificate(certificates.tls.cert).checkIssued(new X509Certificate(certificates.caPem)))
})

test('a renewal that fails keeps what there is and is tried again a day later', async (t) => {
  const clock = movableClock()
  const { certificates, directory } = await open(t, { clock })
  const { tls, caPem } = certificates
  await clock.advance(59 * dayMs)
  renameSync(directory, `${directory}-away`)
  t.after(() => rmSync(`${directory}-away`, { recursive: true, force: true }))
  writeFileSync(directory, 'not a directory')
  await clock.advance(3 * dayMs)
  assert.deepEqual(certificates.tls, tls)

  rmSync(directory)
  renameSync(`${directory}-away`, directory)
  await clock.advance(dayMs)
  assert.notDeepEqual(certificates.tls, tls)
  assert.equal(certificates.caPem, caPem)
})

test('a directory that cannot be used is named when the server starts', async (t) => {
  const directory = join(await temporaryDirectory(t), 'file')
  writeFileSync(directory, 'not a directory')
  await assert.rejects(open(t, { directory }), {
    name: 'OperatorError',
    message: /certificates in .*file cannot be used/,
  })
})

for (const file of ['server.pem', 'server.key', 'ca.pem', 'ca.key'])
  test(`a damaged ${file} is made anew, and what it does not touch is kept`, async (t) => {
    const first = await open(t)
    writeFileSync(join(first.directory, file), 'damaged')
    const { certificates } = await open(t, { directory: first.directory })
    assert.equal(certificates.caPem === first.certificates.caPem, file.startsWith('server'))
    assert.ok(new X509Certificate(certificates.tls.cert).checkIssued(new X509Certificate(certificates.caPem)))
    assert.equal(readFileSync(certificates.caFile, 'utf8'), certificates.caPem)
  })

test('a key file that others may read becomes private again when it is replaced', {
  skip: process.platform === 'win32',
}, async (t) => {
  const first = await open(t)
  const file = join(first.directory, 'server.key')
  writeFileSync(file, 'damaged')
  chmodSync(file, 0o644)
  await open(t, { directory: first.directory })
  assert.equal(statSync(file).mode & 0o777, 0o600)
})

async function open(
  t: TestContext,
  options: { readonly directory?: string; readonly names?: readonly string[]; readonly clock?: Clock } = {},
): Promise<{ readonly certificates: Certificates; readonly directory: string }> {
  const {
    directory = await temporaryDirectory(t),
    names = certificateNames('127.0.0.1', []),
    clock = movableClock(),
  } = options
  const certificates = await openCertificates({ directory, names, clock, log })
  closeAfter(t, () => certificates.close())
  return { certificates, directory }
}

async function handshake(
  t: TestContext,
  { caPem, tls }: Certificates,
  name: string,
): Promise<PeerCertificate> {
  const server = createServer(tls)
  t.after(() => server.close())
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect({
    host: '127.0.0.1',
    port,
    ca: caPem,
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
  })
  t.after(() => client.destroy())
  await once(client, 'secureConnect')
  const certificate = client.getPeerCertificate()
  client.end()
  return certificate
}

function daysLeft(certificate: string, now: number): number {
  return (new X509Certificate(certificate).validToDate.getTime() - now) / dayMs
}

/**
 * Runs every timer on its way, and whatever it began to its end, which is when the next timer is set or
 * cancelled. Starts today: a real handshake compares with the real date.
 */
function movableClock(start = Date.now()): Clock & { advance(ms: number): Promise<void> } {
  let now = start
  const waiting = new Set<{ readonly dueAt: number; readonly fire: () => void }>()
  const cancelled = new Set<unknown>()
  return {
    now: () => now,
    after: (ms, from = now) => from + ms,
    since: (moment) => now - moment,
    at(dueAt, fire) {
      const timer = { dueAt, fire }
      waiting.add(timer)
      return {
        cancel() {
          cancelled.add(timer)
          waiting.delete(timer)
        },
      }
    },
    async advance(ms) {
      const end = now + ms
      for (;;) {
        const [next] = [...waiting].filter(({ dueAt }) => dueAt <= end).toSorted((a, b) => a.dueAt - b.dueAt)
        if (!next) break
        waiting.delete(next)
        now = next.dueAt
        next.fire()
        while (waiting.size + cancelled.size === 0) await setImmediate()
      }
      now = end
    },
  }
}
