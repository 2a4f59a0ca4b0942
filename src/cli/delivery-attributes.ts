import type { Json } from './client.ts'
import { UsageError } from './usage-error.ts'

const usage = '--delivery-attribute-mapping takes NAME static VALUE true|false, or NAME dynamic FIELD'

/**
 * `--delivery-attribute-mapping`, given any number of times, of which commander makes one list of words.
 *
 * Source: learn.microsoft.com/cli/azure/eventgrid/event-subscription, "--delivery-attribute-mapping"
 */
export function decodeDeliveryAttributes(words: readonly string[]): readonly Json[] {
  const mappings: Json[] = []
  for (let at = 0; at < words.length; ) {
    const [name, kind = '', value, isSecret = ''] = words.slice(at, at + 4)
    if (value === undefined) throw new UsageError(`${usage}: nothing stands after '${words.at(-1)}'.`)
    switch (kind.toLowerCase()) {
      case 'static': {
        const secret = isSecret.toLowerCase()
        if (secret !== 'true' && secret !== 'false')
          throw new UsageError(
            `${usage}: whether '${name}' is secret must be true or false, got '${isSecret}'.`,
          )
        mappings.push({ name, type: 'Static', properties: { value, isSecret: secret === 'true' } })
        at += 4
        break
      }
      case 'dynamic':
        mappings.push({ name, type: 'Dynamic', properties: { sourceField: value } })
        at += 3
        break
      default:
        throw new UsageError(`${usage}: after '${name}' stands '${kind}'.`)
    }
  }
  return mappings
}
