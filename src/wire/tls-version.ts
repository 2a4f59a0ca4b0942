import { notSupported } from './errors.ts'
import { type Fields, readEnum } from './shape.ts'

/** TLS 1.2 is what every listener and client here demands at least, so a lower minimum would be untrue. */
export function decodeTlsVersion(from: Fields, name: string): '1.2' | null {
  const version = readEnum(from, name, ['1.0', '1.1', '1.2'])
  if (version === undefined) return null
  if (version !== '1.2') throw notSupported(from.at(name), `A minimum TLS version of ${version}`)
  return version
}
