import { compileTopicTemplate } from '../client/topic-template.ts'
import { invalidProperty } from '../wire/errors.ts'
import { checkString, fields, readArray } from '../wire/shape.ts'
import { readOrRefuse } from './client-groups.ts'
import { namespaceChild, readDescription } from './namespace-parts.ts'
import { usedByBinding } from './permission-bindings.ts'
import type { Content, DecodeContext, ResourceType } from './resource-type.ts'

/** A topic space's stored `properties`. */
export interface TopicSpaceProperties {
  readonly description: string | null
  readonly topicTemplates: readonly string[]
}

function decode(wire: Readonly<Record<string, unknown>>, { capabilities }: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const { templatesPerTopicSpace, templateBytes, templateSegments } = capabilities.mqttQuotas
  const limits = { bytes: templateBytes, segments: templateSegments }
  const topicTemplates = (readArray(from, 'topicTemplates', templatesPerTopicSpace) ?? []).map(
    ({ value, path }) => {
      const text = checkString(value, path, templateBytes)
      readOrRefuse(path, 'topic template', () => compileTopicTemplate(text, limits))
      return text
    },
  )
  const at = from.at('topicTemplates')
  if (topicTemplates.length === 0)
    throw invalidProperty(at, 'an array of at least one topic template', topicTemplates)
  const properties: TopicSpaceProperties = { description: readDescription(from), topicTemplates }
  return { properties: { ...properties }, secrets: {} }
}

/**
 * A set of topics, told by templates, on which clients may be given rights.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-topic-spaces
 */
export const topicSpaces: ResourceType = {
  ...namespaceChild,
  type: 'Microsoft.EventGrid/namespaces/topicSpaces',
  quota: ({ mqttQuotas }) => mqttQuotas.topicSpaces,
  together: 'mqttRules',
  decode,
  refusesDelete: (topicSpace, stored) => usedByBinding('topicSpaceName', topicSpace, stored),
  example: {
    name: 'telemetry',
    body: {
      properties: {
        // biome-ignore lint/suspicious/noTemplateCurlyInString: that is how a topic template names a variable.
        topicTemplates: ['machines/${client.authenticationName}/telemetry/#', 'areas/+/alarms'],
        description: 'What machines say of themselves.',
      },
    },
  },
}
