import type { Access } from '../auth/access.ts'
import type { Authorize, Caller } from '../auth/caller.ts'
import { RequestError } from '../base/errors.ts'
import { type Door, type HttpRequest, type HttpResponse, jsonResponse } from '../http/http.ts'
import type { Broker } from './broker.ts'
import type { BrokerRealm } from './broker-realm.ts'
import { explain } from './explain.ts'
import { reasonCodes } from './packets/reason-codes.ts'
import { describeSession } from './session-description.ts'
import { isTopicFilter, isTopicName } from './topics.ts'

/*
 * What an operator asks of the broker and tells it, over HTTP: who is connected, which sessions there are and what
 * waits for them, what is retained, what happened to a client, and why it did not get a message. For the control
 * plane's callers alone.
 *
 *   GET    /broker/namespaces
 *   GET    /broker/sessions                   ?connected=true for clients alone; ?after=, ?limit=
 *   GET    /broker/sessions/{name}            with its subscriptions
 *   POST   /broker/sessions/{name}/disconnect
 *   DELETE /broker/sessions/{name}
 *   GET    /broker/sessions/{name}/trace
 *   GET    /broker/sessions/{name}/explain    ?topic= why it gets a message there, or not
 *   GET    /broker/retained                   ?filter=, ?after=, ?limit=
 *   DELETE /broker/retained                   ?topic=
 *
 * Each takes ?namespace=, which may be left out where there is only one.
 */

export interface AdminOptions {
  readonly broker: Broker
  readonly authorize: Authorize
  readonly access: Access
}

/** A request, and who makes it. */
interface Asked {
  readonly request: HttpRequest
  readonly caller: Caller
}

/** What a caller must be permitted on the namespace, by collection and method. */
const actions: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  sessions: {
    GET: 'Microsoft.EventGrid/namespaces/mqttSessions/read',
    POST: 'Microsoft.EventGrid/namespaces/mqttSessions/disconnect/action',
    DELETE: 'Microsoft.EventGrid/namespaces/mqttSessions/delete',
  },
  retained: {
    GET: 'Microsoft.EventGrid/namespaces/mqttRetainedMessages/read',
    DELETE: 'Microsoft.EventGrid/namespaces/mqttRetainedMessages/delete',
  },
}

const prefix = '/broker/'
const usualPage = 100
const largestPage = 1_000

export function createBrokerAdminDoor({ broker, authorize, access }: AdminOptions): Door {
  return (request) => (request.path.startsWith(prefix) ? answer(request) : undefined)

  async function answer(request: HttpRequest): Promise<HttpResponse> {
    const asked = { request, caller: await authorize(request) }
    broker.tick()
    const [collection = '', name, action] = request.path.slice(prefix.length).split('/')
    const method = `${request.method} ${collection}`
    if (name === undefined)
      switch (method) {
        case 'GET namespaces':
          return page([...broker.realms].filter((realm) => isVisible(realm, asked)).map(describeRealm))
        case 'GET sessions':
          return listSessions(asked)
        case 'GET retained':
          return listRetained(asked)
        case 'DELETE retained':
          return forgetRetained(asked)
      }
    else if (collection === 'sessions') return oneSession(asked, decoded(name), action)
    throw new RequestError(404, 'NotFound', `There is no ${request.method} ${request.path} here.`)
  }

  function isVisible({ realm }: BrokerRealm, { caller }: Asked): boolean {
    const scope = realm.resource?.id ?? '/'
    return access.permission(caller, 'Microsoft.EventGrid/namespaces/read', scope) !== undefined
  }

  /** Throws where the caller may not do there what it asks for. */
  function realmOf(asked: Asked): BrokerRealm {
    const found = namedBy(asked)
    const { path, method } = asked.request
    const action = actions[path.slice(prefix.length).split('/', 1)[0] as string]?.[method]
    if (action !== undefined) access.check(asked.caller, action, found.realm.resource?.id ?? '/')
    return found
  }

  function namedBy(asked: Asked): BrokerRealm {
    const { request } = asked
    const wanted = request.query.get('namespace')
    const realms = [...broker.realms].filter((realm) => isVisible(realm, asked))
    const names = realms.map(({ realm }) => realm.name).join(', ')
    if (wanted === null) {
      const others = realms.filter(({ realm }) => !realm.claims)
      const [only] = others.length === 0 ? realms : others
      if (only && (others.length === 1 || realms.length === 1)) return only
      const what = realms.length === 0 ? 'no namespace has MQTT enabled' : `give one of ${names}`
      throw new RequestError(400, 'NamespaceRequired', `Which namespace? With ?namespace=: ${what}.`)
    }
    const found = realms.find(({ realm }) => realm.name.toLowerCase() === wanted.toLowerCase())
    if (found) return found
    throw new RequestError(
      404,
      'NamespaceNotFound',
      `No namespace '${wanted}' has MQTT enabled: there is ${names || 'none'}.`,
    )
  }

  function listSessions(asked: Asked): HttpResponse {
    const realm = realmOf(asked)
    const { request } = asked
    const { after, limit } = pageOf(request)
    const connected = request.query.get('connected')
    const found: object[] = []
    let passed = after === null
    for (const session of realm.sessions.values()) {
      if (!passed) {
        passed = session.sessionName === after
        continue
      }
      if (connected !== null && String(session.online) !== connected) continue
      if (found.length === limit) return page(found, nextOf(found))
      found.push(describeSession(session))
    }
    if (!passed) throw new RequestError(404, 'SessionNotFound', `There is no session '${after}' any more.`)
    return page(found)
  }

  async function oneSession(asked: Asked, name: string, action: string | undefined): Promise<HttpResponse> {
    const realm = realmOf(asked)
    const { request } = asked
    const what = `${request.method} ${action ?? ''}`.trim()
    // Of a client that was never let in, and so has no session, there may be a trace.
    if (what === 'GET trace') {
      const events = realm.trace
        .read(name)
        .map(({ at, ...event }) => ({ at: new Date(at).toISOString(), ...event }))
      return page(events)
    }
    if (what === 'GET explain') {
      const topicName = request.query.get('topic') ?? ''
      if (!isTopicName(topicName))
        throw new RequestError(400, 'BadRequest', `?topic= must be a topic name: got '${topicName}'.`)
      return jsonResponse(200, explain(realm, name, topicName), noStore)
    }
    const session = realm.sessions.get(name)
    if (!session) throw new RequestError(404, 'SessionNotFound', `There is no session '${name}'.`)
    switch (what) {
      case 'GET':
        return jsonResponse(200, describeSession(session, true), noStore)
      case 'POST disconnect':
        if (!session.connection)
          throw new RequestError(409, 'NotConnected', `The client of session '${name}' is not connected.`)
        session.connection.close(
          'ServerInitiatedDisconnect',
          reasonCodes.administrativeAction,
          'An administrator has disconnected the client.',
        )
        return { status: 204 }
      case 'DELETE': {
        const { connection } = session
        realm.endSession(session)
        connection?.close(
          'ServerInitiatedDisconnect',
          reasonCodes.administrativeAction,
          'An administrator has ended the session.',
        )
        await realm.realm.sessions?.flushed()
        return { status: 204 }
      }
      default:
        throw new RequestError(404, 'NotFound', `There is no ${request.method} ${request.path} here.`)
    }
  }

  function listRetained(asked: Asked): HttpResponse {
    const realm = realmOf(asked)
    const { request } = asked
    const { after, limit } = pageOf(request)
    const filter = request.query.get('filter') ?? '#'
    if (!isTopicFilter(filter))
      throw new RequestError(400, 'BadRequest', `?filter= must be a topic filter: got '${filter}'.`)
    const all = realm.retained
      .match(filter, broker.now)
      .toSorted((one, other) => (one.topicName < other.topicName ? -1 : 1))
    const rest = after === null ? all : all.filter(({ topicName }) => topicName > after)
    const shown = rest.slice(0, limit).map((message) => ({
      topicName: message.topicName,
      qos: message.qos,
      bytes: message.payload.length,
      contentType: message.contentType,
      receivedAt: new Date(message.receivedAt).toISOString(),
    }))
    return page(shown, rest.length > limit ? shown.at(-1)?.topicName : undefined)
  }

  async function forgetRetained(asked: Asked): Promise<HttpResponse> {
    const realm = realmOf(asked)
    const topicName = asked.request.query.get('topic') ?? ''
    const { now } = broker
    if (!realm.retained.get(topicName, now))
      throw new RequestError(404, 'RetainedMessageNotFound', `Nothing is retained for '${topicName}'.`)
    realm.retained.delete(topicName)
    realm.realm.sessions?.retain(topicName, undefined, now)
    await realm.realm.sessions?.flushed()
    return { status: 204 }
  }
}

const noStore = { 'Cache-Control': 'no-store' }

const page = (value: readonly object[], next?: string): HttpResponse =>
  jsonResponse(200, { value, ...(next !== undefined && { next }) }, noStore)

const nextOf = (found: readonly object[]) => (found.at(-1) as { readonly name: string }).name

function pageOf({ query }: HttpRequest): { readonly after: string | null; readonly limit: number } {
  const given = query.get('limit')
  const limit = given === null ? usualPage : Number(given)
  if (!Number.isInteger(limit) || limit < 1 || limit > largestPage)
    throw new RequestError(400, 'BadRequest', `?limit= must be 1 to ${largestPage}: got '${given}'.`)
  return { after: query.get('after'), limit }
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch (error) {
    throw new RequestError(400, 'BadRequest', `'${name}' is not well encoded.`, { cause: error })
  }
}

function describeRealm({ realm, sessions, connections, subscriptionCount, retained }: BrokerRealm): object {
  return {
    ...{
      name: realm.name,
      id: realm.resource?.id,
      profile: realm.profile,
      hosts: realm.hosts,
      path: realm.path,
    },
    ...{ sessions: sessions.size, connections: connections.size, subscriptions: subscriptionCount },
    ...{ retainedMessages: retained.count, retainedBytes: retained.bytes },
  }
}
