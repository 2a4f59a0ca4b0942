/*
 * What an event source of Azure says of itself. The shelf's files are light, for they are always loaded: names,
 * subjects, what is told apart by hand. The JSON Schema and the example of each type's data are made from the
 * official models by `scripts/generate-event-types.ts`, lie in `generated/`, and are read when first asked for.
 */

/** `Resource`: one resource of `resourceType`; otherwise a whole subscription or resource group. */
export type SourceScope = 'Resource' | 'ResourceGroup' | 'AzureSubscription'

export interface EventType {
  /** Such as `Microsoft.KeyVault.SecretNearExpiry`, byte for byte as on the wire. */
  readonly name: string
  readonly displayName: string
  readonly description: string
  /** Whether an event subscription that names no event types gets it. */
  readonly isInDefaultSet: boolean
  /** What the subject is made of, such as `clients/{client}`. */
  readonly subject: string
  readonly exampleSubject: string
  readonly dataVersion: string
}

/** One topic type. */
export interface EventSource {
  /** Names the file in `generated/`; one file holds all topic types of a service. */
  readonly service: string
  /** Such as `Microsoft.KeyVault.vaults`; undefined for what Event Grid itself sends, on no topic. */
  readonly topicType: string | undefined
  readonly provider: string
  readonly displayName: string
  readonly description: string
  readonly regionType: 'RegionalResource' | 'GlobalResource'
  readonly scope: SourceScope
  /** ARM type of the source, such as `Microsoft.KeyVault/vaults`; undefined where the scope is no resource. */
  readonly resourceType: string | undefined
  /** Name of the resource in examples. */
  readonly exampleName: string
  /** The service writes the topic of its events in upper case. */
  readonly upperCaseTopic: boolean
  readonly eventTypes: readonly EventType[]
  readonly documented: Documented
}

/** What is known better than the models say; read by the generator alone. */
export interface Documented {
  /** Data as in the documented samples, by event type without its prefix. */
  readonly examples?: Readonly<Record<string, unknown>>
  /** Values of members by name, wherever they are; `{topic}` and `{subject}` stand for the example's own. */
  readonly samples?: Readonly<Record<string, unknown>>
  /** By the name of the official model. */
  readonly corrections?: Readonly<Record<string, Correction>>
}

export interface Correction {
  /** Members that the model requires and documented samples leave out, or give as null. */
  readonly optional?: readonly string[]
  /** JSON types of a member where samples have others than the model; none: any value. */
  readonly types?: Readonly<Record<string, readonly string[]>>
  /** JSON types that a member may have beside those of the model. */
  readonly also?: Readonly<Record<string, readonly string[]>>
  /** Names on the wire where the model has others. */
  readonly names?: Readonly<Record<string, string>>
}

/** An event source with what most of them have in common. */
export function eventSource(
  source: Pick<EventSource, 'service' | 'provider' | 'displayName' | 'description' | 'eventTypes'> &
    Partial<EventSource>,
): EventSource {
  return {
    topicType: source.resourceType && topicTypeOf(source.resourceType),
    regionType: 'RegionalResource',
    scope: 'Resource',
    resourceType: undefined,
    exampleName: 'contoso',
    upperCaseTopic: false,
    documented: {},
    ...source,
  }
}

const topicTypeOf = (resourceType: string) =>
  resourceType
    .split('/')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join('.')

interface Defaults {
  readonly dataVersion: string
  /** Format and example. */
  readonly subject: readonly [format: string, example: string]
  readonly isInDefaultSet?: boolean
}

/**
 * Event types of one service with what they have in common.
 *
 * @param types by name without the prefix: the description, alone or with what differs
 */
export function eventTypes(
  prefix: string,
  common: Defaults,
  types: Readonly<Record<string, string | ({ readonly description: string } & Partial<Defaults>)>>,
): readonly EventType[] {
  return Object.entries(types).map(([shortName, given]) => {
    const { description, dataVersion, subject, isInDefaultSet } = {
      ...common,
      ...(typeof given === 'string' ? { description: given } : given),
    }
    return {
      name: `${prefix}.${shortName}`,
      displayName: shortName.split('.').map(spaced).join(' '),
      description,
      isInDefaultSet: isInDefaultSet ?? true,
      subject: subject[0],
      exampleSubject: subject[1],
      dataVersion,
    }
  })
}

/** `MQTTClientDeleted` as `MQTT Client Deleted`. */
const spaced = (name: string) => name.replaceAll(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, ' ')

/** The subscription of examples: the default one. */
export const exampleSubscription = '/subscriptions/00000000-0000-0000-0000-000000000000'
export const exampleGroup = `${exampleSubscription}/resourceGroups/contoso-rg`
