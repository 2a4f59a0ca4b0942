import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { closeAfter, type Ending } from './close-after.ts'

/** An OpenID Connect issuer on loopback, with one key. */
export interface TokenIssuer {
  readonly url: string
  /** While it is true, every request is answered 500. */
  down: boolean
  /** How often its discovery document was asked for. */
  readonly discoveries: number
  /** A token for Busbar's control plane, unless the claims say otherwise. */
  readonly token: (claims: JWTPayload, expiresAt: number) => Promise<string>
}

export async function startTokenIssuer(t: Ending): Promise<TokenIssuer> {
  const { privateKey, publicKey } = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' }
  const issuer = { url: '', down: false, discoveries: 0, token }
  const server = createServer((request, response) => {
    const answers: Record<string, unknown> = {
      '/.well-known/openid-configuration': { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` },
      '/keys': { keys: [jwk] },
    }
    if (request.url?.startsWith('/.well-known')) issuer.discoveries++
    response.statusCode = issuer.down ? 500 : 200
    response.end(JSON.stringify(answers[request.url ?? '']))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closeAfter(t, () => {
    server.closeAllConnections()
    server.close()
  })
  issuer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return issuer

  function token(claims: JWTPayload, expiresAt: number): Promise<string> {
    const all = { iss: issuer.url, aud: 'https://busbar.example.org', sub: 'someone', ...claims }
    return new SignJWT(all)
      .setProtectedHeader({ alg: 'RS256', kid: 'one' })
      .setExpirationTime(Math.floor(expiresAt / 1000))
      .sign(privateKey)
  }
}
