import type { TLSSocket } from 'node:tls'

/** The certificate that the client has shown, and those it sent along, as DER; empty when it has shown none. */
export function peerCertificates(socket: TLSSocket): readonly Uint8Array[] {
  const found: Uint8Array[] = []
  let certificate = socket.getPeerCertificate(true)
  // A self-signed one is its own issuer.
  while (certificate?.raw && !found.some((known) => certificate.raw.equals(known))) {
    found.push(certificate.raw)
    certificate = certificate.issuerCertificate
  }
  return found
}
