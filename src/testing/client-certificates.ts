import { createPrivateKey, KeyObject, webcrypto, X509Certificate } from 'node:crypto'

/** A certificate of a test, with its private key; both in PEM. */
export interface TestCertificate {
  readonly cert: string
  readonly key: string
}

export interface CertificateWishes {
  /** `CN=device1, O=Contoso`; default: `CN=device1`. */
  readonly subject?: string
  readonly names?: readonly { readonly type: 'dns' | 'url' | 'ip' | 'email'; readonly value: string }[]
  readonly from?: number
  readonly until?: number
  /** A certificate authority; the number is how many may stand below it. */
  readonly authority?: true | number
  /** Object identifiers of its extended key usage. */
  readonly purposes?: readonly string[]
  /** Object identifier of a critical extension that nobody knows. */
  readonly critical?: string
  /** Who signs it; default: itself. */
  readonly by?: TestCertificate
  readonly rsa?: true
}

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const rsa = {
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: 'SHA-256',
} as const
const dayMs = 86_400_000

/** A certificate that is valid from yesterday until tomorrow, unless it is wished otherwise. */
export async function issueTestCertificate(wishes: CertificateWishes = {}): Promise<TestCertificate> {
  // It does not load without what this one adds to the global `Reflect`.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const { subject = 'CN=device1', names = [], authority, purposes, critical, by } = wishes
  const { from = Date.now() - dayMs, until = Date.now() + dayMs } = wishes
  const algorithm = wishes.rsa ? rsa : ecdsa
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const issuer = by && new x509.X509Certificate(by.cert)
  const issuerKey = by && createPrivateKey(by.key)
  const issuerAlgorithm = issuerKey?.asymmetricKeyType === 'rsa' ? rsa : ecdsa
  const signingAlgorithm = by ? issuerAlgorithm : algorithm
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(8)).with(0, 1)).toString('hex'),
    subject,
    issuer: issuer?.subject ?? subject,
    publicKey: keys.publicKey,
    signingKey: issuerKey?.toCryptoKey(signingAlgorithm, false, ['sign']) ?? keys.privateKey,
    signingAlgorithm,
    notBefore: new Date(from),
    notAfter: new Date(until),
    extensions: [
      new x509.BasicConstraintsExtension(
        authority !== undefined,
        typeof authority === 'number' ? authority : undefined,
        true,
      ),
      ...(authority === undefined
        ? []
        : [new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true)]),
      ...(purposes ? [new x509.ExtendedKeyUsageExtension([...purposes])] : []),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension([...names])] : []),
      ...(critical ? [new x509.Extension(critical, true, new Uint8Array([5, 0]))] : []),
    ],
  })
  return {
    cert: `${certificate.toString('pem')}\n`,
    key: KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }),
  }
}

export const x509Of = ({ cert }: TestCertificate): X509Certificate => new X509Certificate(cert)
