import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'

/** Certificates of a client that are looked at; a chain that is longer is cut. */
const certificatesOfClient = 11

/** What a client has shown in the handshake, in DER: its own certificate first, then what it sent along. */
export function peerCertificates(socket: TLSSocket): readonly Uint8Array[] {
  const found: Uint8Array[] = []
  let next: X509Certificate | undefined = socket.getPeerX509Certificate()
  while (next && found.length < certificatesOfClient) {
    found.push(next.raw)
    next = next.issuerCertificate
  }
  return found
}
