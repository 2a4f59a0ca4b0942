import { newAccessKey } from '../base/ids.ts'
import { invalidProperty } from '../wire/errors.ts'
import { fields, readEnum } from '../wire/shape.ts'
import type { Action, Content } from './resource-type.ts'

/** Both access keys: 32 random bytes each, as base64. */
export const newKeys = (): Content['secrets'] => ({ key1: newAccessKey(), key2: newAccessKey() })

export const listKeys: Action = ({ secrets }) => ({ answer: { key1: secrets.key1, key2: secrets.key2 } })

export const regenerateKey: Action = (content, body) => {
  const keyName = readEnum(fields(body, ''), 'keyName', ['key1', 'key2'])
  if (keyName === undefined) throw invalidProperty('keyName', 'one of key1, key2', undefined)
  const secrets = { ...content.secrets, [keyName]: newAccessKey() }
  return { answer: { key1: secrets.key1, key2: secrets.key2 }, content: { ...content, secrets } }
}
