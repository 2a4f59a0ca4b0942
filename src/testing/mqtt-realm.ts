import { type MqttFeatures, type MqttLimits, mqttFeatures, mqttLimits, type Profile } from '../mqtt/limits.ts'
import type {
  Admission,
  ClientIdentity,
  ConnectRequest,
  EndedConnection,
  Realm,
  SessionName,
} from '../mqtt/realm.ts'

/** A realm whose rules a test sets; without any, everybody may do everything and nothing is kept. */
export interface TestRealmOptions extends Partial<Omit<Realm, 'limits' | 'features'>> {
  readonly profile?: Profile
  readonly limits?: Partial<MqttLimits>
  readonly features?: Partial<MqttFeatures>
}

export interface TestRealm extends Realm {
  readonly connections: SessionName[]
  readonly ended: EndedConnection[]
  /** Tells the broker that rights have changed. */
  changeRights(whom?: 'everyone' | ReadonlySet<string>): void
}

/** A client is who its user name says, or its client identifier where it has none. */
export function createTestRealm(options: TestRealmOptions = {}): TestRealm {
  const { profile = 'open', limits, features, ...rules } = options
  const listeners: ((whom: 'everyone' | ReadonlySet<string>) => void)[] = []
  const connections: SessionName[] = []
  const ended: EndedConnection[] = []
  const admit = async ({ userName, clientId }: ConnectRequest): Promise<Admission> => ({
    kind: 'admitted',
    identity: testIdentity(userName ?? clientId),
  })
  return {
    name: 'test',
    hosts: [],
    profile,
    authenticate: admit,
    reauthenticate: (identity) => Promise.resolve({ kind: 'admitted', identity }),
    restore: (record) => testIdentity((record as { name: string }).name),
    standing: () => undefined,
    mayPublish: () => true,
    maySubscribe: () => true,
    sessions: undefined,
    accepted: undefined,
    onRightsChanged: (listener) => void listeners.push(listener),
    connected: (session) => connections.push(session),
    disconnected: (end) => void ended.push(end),
    ...rules,
    limits: { ...mqttLimits[profile], ...limits },
    features: { ...mqttFeatures[profile], ...features },
    connections,
    ended,
    changeRights: (whom = 'everyone') => {
      for (const listener of listeners) listener(whom)
    },
  }
}

export const testIdentity = (name: string): ClientIdentity => ({
  authenticationName: name,
  ownerKey: name,
  attributes: {},
  expiresAt: undefined,
  record: { name },
  log: {},
})
