import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { subscription } from '../../../src/testing/control-plane.ts'
import { proved, type Rule, type Section } from '../rule.ts'
import { eventsOf, type World } from '../world.ts'

let groups = 0

interface Told {
  readonly topic: string
  readonly subject: string
  readonly eventType: string
  readonly dataVersion: string
  // oxlint-disable-next-line typescript/no-explicit-any -- a rule reads what the event says, and asserts it
  readonly data: any
}

/** A group of its own, and what a listener there and one on the subscription are told of resources in it. */
async function listen(t: TestContext, world: World) {
  const group = `${subscription}/resourceGroups/told-${++groups}`
  await world.server.call('PUT', group, { location: 'westus2' })
  const filter = { filter: { subjectBeginsWith: `${group}/providers/Microsoft.EventGrid/topics` } }
  const onGroup = await world.subscribe(t, group, filter)
  const onSubscription = await world.subscribe(t, subscription, filter)
  const told = async (): Promise<Told[]> => {
    await world.server.settle()
    const [ofSubscription, ofGroup] = [onSubscription, onGroup].map(
      (hook) => eventsOf(hook) as unknown as Told[],
    )
    const words = (events: Told[] = []) =>
      events.map(({ eventType, subject }) => [eventType, subject]).toSorted()
    assert.deepEqual(words(ofGroup), words(ofSubscription))
    assert.ok(ofGroup?.every(({ topic }) => topic === group))
    assert.ok(ofSubscription?.every(({ topic }) => topic === subscription))
    return ofSubscription ?? []
  }
  return {
    topic: `${group}/providers/Microsoft.EventGrid/topics/told-${groups}`,
    told,
    call: world.server.call,
  }
}

const toldOf = (
  rule: string,
  ask: (context: Awaited<ReturnType<typeof listen>>) => Promise<unknown>,
  expected: readonly (readonly [eventType: string, operationName: string])[],
): Rule => ({
  rule,
  async check(t, world) {
    const context = await listen(t, world)
    await ask(context)
    const told = await context.told()
    assert.deepEqual(
      told.map(({ eventType, data }) => [eventType, data.operationName as string]).toSorted(),
      expected
        .map(([event, name]) => [`Microsoft.Resources.${event}`, `Microsoft.EventGrid/${name}`])
        .toSorted(),
    )
    for (const { subject, data, dataVersion } of told) {
      assert.equal(data.resourceUri, subject)
      assert.equal(data.authorization.scope, subject)
      assert.equal(dataVersion, '2')
    }
  },
})

const location = { location: 'westus2' }
const unit = 'src/arm/resource-events.test.ts'

export const resourceEvents: Section = {
  title: 'Events of resource operations',
  source:
    'learn.microsoft.com/azure/event-grid/event-schema-subscriptions, learn.microsoft.com/azure/event-grid/event-schema-resource-groups',
  rules: [
    toldOf(
      'A PUT raises ResourceWriteSuccess, on the subscription and on the resource group',
      ({ call, topic }) => call('PUT', topic, location),
      [['ResourceWriteSuccess', 'topics/write']],
    ),
    toldOf(
      'So does a PATCH',
      async ({ call, topic }) => {
        await call('PUT', topic, location)
        await call('PATCH', topic, { tags: { a: 'b' } })
      },
      [
        ['ResourceWriteSuccess', 'topics/write'],
        ['ResourceWriteSuccess', 'topics/write'],
      ],
    ),
    toldOf(
      'A POST raises ResourceActionSuccess, and listing keys is one',
      async ({ call, topic }) => {
        await call('PUT', topic, location)
        await call('POST', `${topic}/listKeys`)
      },
      [
        ['ResourceWriteSuccess', 'topics/write'],
        ['ResourceActionSuccess', 'topics/listKeys/action'],
      ],
    ),
    toldOf(
      'A DELETE raises ResourceDeleteSuccess',
      async ({ call, topic }) => {
        await call('PUT', topic, location)
        await call('DELETE', topic)
      },
      [
        ['ResourceWriteSuccess', 'topics/write'],
        ['ResourceDeleteSuccess', 'topics/delete'],
      ],
    ),
    toldOf(
      'What is refused raises the Failure',
      async ({ call, topic }) => {
        await call('PATCH', topic, {})
        await call('POST', `${topic}/listKeys`)
      },
      [
        ['ResourceWriteFailure', 'topics/write'],
        ['ResourceActionFailure', 'topics/listKeys/action'],
      ],
    ),
    toldOf('A GET raises nothing', ({ call, topic }) => call('GET', topic), []),
    proved(
      '`httpRequest` is there where something existing was changed, deleted or acted upon, with who asked and from where',
      [unit, 'an event says who asked, by which request, under the correlation id of its answer'],
    ),
    proved('`claims` are those of the token that asked', [
      'test/entra-administration.test.ts',
      'a resource event tells the claims of the token that asked, under their long names, and not the token',
    ]),
    proved(
      'A long-running operation is told of when it has ended',
      [unit, 'a write that waits for a handshake is told of when that has ended'],
      [unit, 'a restart in the middle of a handshake ends with one event, of whoever asked before it'],
    ),
    proved('Deleting a resource group tells of each resource in it, then of the group', [
      unit,
      'what is deleted with a resource or a group is told of before it, under the same correlation id',
    ]),
    {
      rule: '`subject` and `resourceUri` follow the letter case of the request',
      status: 'differs',
      note: 'A resource has one spelling in all of its events: that of its stored id.',
      provedBy: [
        [unit, 'a resource has one spelling in its events, whatever the letter case or form of the request'],
      ],
    },
    proved('`authorization.evidence` names the role assignment that let the caller in', [
      'test/roles.test.ts',
      'an event of an operation tells of the role that let its caller, and a refused one of none',
    ]),
  ],
}
