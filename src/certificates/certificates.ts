import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import { replaceFile } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { OperatorError } from '../base/operator-error.ts'
import { type Issued, issueAuthority, issueServer } from './issue.ts'

/*
 * The local certificate authority and the server certificate that it signs. In come the names by which clients
 * may reach this server; out go a certificate and key for the TLS listeners, and new ones long before the old
 * expire. A client that trusts `ca.pem` once goes on trusting every certificate after it.
 */

export interface Certificates {
  /** Absolute path of the authority's certificate, which clients are told to trust. */
  readonly caFile: string
  /** That file's contents. */
  readonly caPem: string
  /** What a TLS listener wants; as of now. */
  readonly tls: { readonly cert: string; readonly key: string }
  /** Called after `tls` has changed. */
  onRenew: (() => void) | undefined
  /** Resolves once a renewal under way has ended; after it `onRenew` is not called. */
  close(): Promise<void>
}

export interface CertificatesOptions {
  /** Made where it does not exist. Holds the private keys, readable by their owner alone. */
  readonly directory: string
  readonly names: readonly string[]
  readonly clock: Clock
  readonly log: Log
}

interface Pair {
  readonly authority: Issued
  readonly server: Issued
}

const dayMs = 86_400_000
const authorityDays = 3_650
/** An authority that ends sooner is replaced, and clients must be told to trust the new one. */
const authorityDaysLeft = 365
const serverDays = 90
const serverDaysLeft = 30
/** How often the certificates are looked at. */
const checkMs = dayMs
/** Valid since a little while ago, for clients whose clock is behind. */
const backdatedMs = 3_600_000

/** Reads the certificates, or makes what is missing, damaged, about to expire or not good for every name. */
export async function openCertificates(options: CertificatesOptions): Promise<Certificates> {
  const { directory, names, clock, log } = options
  const caFile = join(directory, 'ca.pem')
  let current = await first()
  let timer: Timer
  let renewing: Promise<void> | undefined
  const certificates = {
    caFile,
    get caPem() {
      return current.authority.certificate
    },
    get tls() {
      return { cert: current.server.certificate, key: current.server.key }
    },
    onRenew: undefined as (() => void) | undefined,
    async close() {
      certificates.onRenew = undefined
      await renewing
      timer.cancel()
    },
  }
  // Not `clock.after`: certificates expire in real time, however fast delivery waits run.
  const watch = () => {
    timer = clock.at(clock.now() + checkMs, () => {
      renewing = renew().then(watch)
    })
  }
  const renew = async () => {
    const before = current
    try {
      current = await renewed()
    } catch (error) {
      // What there is serves for weeks yet, and tomorrow the disk may have room again.
      log.error({ err: error, directory }, 'the certificates could not be renewed: trying again in a day')
      return
    }
    if (current.server.certificate !== before.server.certificate) certificates.onRenew?.()
  }
  watch()
  return certificates

  /** A directory that cannot be used when the server starts is for the operator to put right. */
  async function first(): Promise<Pair> {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      return await renewed()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new OperatorError(`The certificates in ${directory} cannot be used: ${reason}`, error)
    }
  }

  async function renewed(): Promise<Pair> {
    const now = clock.now()
    const found = read('ca')
    const authority = found && validDays(found, now) >= authorityDaysLeft ? found : await makeAuthority(now)
    const server = read('server')
    const good =
      server &&
      signedBy(authority, server) &&
      validDays(server, now) >= serverDaysLeft &&
      isFor(server, names)
    return { authority, server: good ? server : await makeServer(authority, now) }
  }

  async function makeAuthority(now: EpochMs): Promise<Issued> {
    const made = new Date(now).toISOString().slice(0, 10)
    const authority = await issueAuthority(`Busbar local authority ${made}`, validity(now, authorityDays))
    write('ca', authority)
    log.info(
      { caFile },
      'made a local certificate authority: `busbar trust` says how clients come to trust it',
    )
    return authority
  }

  async function makeServer(authority: Issued, now: EpochMs): Promise<Issued> {
    const server = await issueServer(authority, names, validity(now, serverDays))
    write('server', server)
    log.info({ names: names.length, days: serverDays }, 'issued a server certificate')
    return server
  }

  /** Undefined where a file is missing, cannot be decoded, or the two do not belong together. */
  function read(name: string): Issued | undefined {
    try {
      const certificate = readFileSync(join(directory, `${name}.pem`), 'utf8')
      const key = readFileSync(join(directory, `${name}.key`), 'utf8')
      return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
        ? { certificate, key }
        : undefined
    } catch (error) {
      const { code, syscall } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') return undefined
      // A file that cannot be read is not one that is damaged: a new authority would lose every client's trust.
      if (syscall !== undefined) throw error
      log.warn({ err: error, name }, 'a certificate is damaged and is made anew')
      return undefined
    }
  }

  /** Between the two writes a crash leaves a pair that does not match, which `read` then refuses. */
  function write(name: string, issued: Issued): void {
    replaceFile(join(directory, `${name}.key`), issued.key, 0o600)
    replaceFile(join(directory, `${name}.pem`), issued.certificate, 0o644)
  }
}

const validity = (now: EpochMs, days: number) => ({ from: now - backdatedMs, until: now + days * dayMs })

/** How many days the certificate is still good for; -1 when it is not good yet. */
function validDays({ certificate }: Issued, now: EpochMs): number {
  const { validFromDate, validToDate } = new X509Certificate(certificate)
  return validFromDate.getTime() > now ? -1 : (validToDate.getTime() - now) / dayMs
}

function signedBy(authority: Issued, server: Issued): boolean {
  const parent = new X509Certificate(authority.certificate)
  const child = new X509Certificate(server.certificate)
  return child.checkIssued(parent) && child.verify(parent.publicKey)
}

/** True when the certificate is for exactly these names. */
function isFor({ certificate }: Issued, names: readonly string[]): boolean {
  const { subjectAltName = '' } = new X509Certificate(certificate)
  const found = subjectAltName.split(', ').map((part) => part.replace(/^(DNS|IP Address):/, ''))
  const spelled = (name: string) => (name.includes(':') ? new URL(`http://[${name}]`).hostname : name)
  const wanted = new Set(names.map(spelled))
  return found.length === wanted.size && found.every((name) => wanted.has(spelled(name.toLowerCase())))
}
