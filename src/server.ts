import { join } from 'node:path'
import { createAmqp, type RunningAmqp } from './amqp-server.ts'
import { createArmDoor, defaultSubscriptionId } from './arm/arm.ts'
import { createAuthorize } from './auth/authorize.ts'
import { createBearerTokens, hubAudiences } from './auth/bearer-token.ts'
import { openIssuer } from './auth/issuer.ts'
import { ownHosts } from './auth/own-hosts.ts'
import { createPrincipals, joinPrincipals } from './auth/principals.ts'
import { openStoredPrincipals } from './auth/stored-principals.ts'
import { createWebhookTokens } from './auth/webhook-tokens.ts'
import { type Clock, createSystemClock, type EpochMs } from './base/clock.ts'
import { addressRanges } from './base/ip-mask.ts'
import { createLog, type Log } from './base/log.ts'
import { Metrics } from './base/metrics.ts'
import { OperatorError } from './base/operator-error.ts'
import { openSealer } from './base/sealer.ts'
import { openBlobService, type RunningBlobService } from './blobservice/blobservice.ts'
import { openCatalog } from './catalog/stored-catalog.ts'
import { openCertificates } from './certificates/certificates.ts'
import { certificateNames } from './certificates/names.ts'
import { type Options, settings } from './config.ts'
import { openDataDirectory } from './data-directory.ts'
import { createDeadLetterDesks } from './delivery/dead-letter-desk.ts'
import { startDelivery } from './delivery/delivery.ts'
import type { Jitter } from './delivery/policy.ts'
import { createBlobDeadLetterStore } from './delivery/storage-blob.ts'
import { connectionOf } from './destinations/connections.ts'
import { openDestinations } from './destinations/index.ts'
import { openDiagnostics } from './diagnostics/diagnostics.ts'
import { createFanout, type Fanout } from './fanout/fanout.ts'
import { type Door, type HttpListener, listen, type Upgrade } from './http/http.ts'
import { createPeerOf } from './http/peer.ts'
import { openHubs, type RunningHubs } from './hubs.ts'
import { openIdentityHeader } from './identity-header.ts'
import { mqttQuotas, publishLimits, pullLimits } from './limits.ts'
import { isLoopback } from './loopback.ts'
import { createBrokerAdminDoor } from './mqtt/admin.ts'
import { Broker } from './mqtt/broker.ts'
import { isTopicFilter, isTopicName } from './mqtt/topics.ts'
import { makeDevelopmentNamespace } from './mqtt-development.ts'
import { createMqttObserver } from './mqtt-diagnostics.ts'
import { createMessageBrokers } from './mqtt-messages.ts'
import { openMqttRealms } from './mqtt-realms.ts'
import { createMqttUpgrade, type MqttServer, openMqttListeners } from './mqtt-server.ts'
import { createMqttHttpDoor } from './mqtthttp/mqtthttp.ts'
import { createOpsDoor, type Phase } from './ops/ops.ts'
import { watchProcess } from './ops/process-metrics.ts'
import { watchStore } from './ops/store-metrics.ts'
import { createTailRoute } from './ops/tail.ts'
import { visibleTrace } from './ops/visible-trace.ts'
import { createPublishDoor } from './publish/publish.ts'
import { openPull } from './pull/pull.ts'
import { createReplayDoor } from './replay/replay.ts'
import { createSchemaStoreDoor } from './schemastore/schemastore.ts'
import { createManagedIdentityDoor } from './signin/managed-identity.ts'
import { createPrincipalsDoor } from './signin/principal-routes.ts'
import { createSignInDoor } from './signin/signin.ts'
import { createCheckData } from './sources/check-data.ts'
import { createDataSchemas } from './sources/data-schemas.ts'
import { topicTypeFacts } from './sources/lookup.ts'
import { readStartTemplate } from './start-template.ts'
import { engines } from './store/engines/index.ts'
import { Tail } from './trace/tail.ts'
import { createTrace } from './trace/trace.ts'
import { createTriggerDoor } from './trigger/trigger.ts'
import { version } from './version.ts'

/*
 * The whole house, room by room: each is built from those before it, and closed in reverse. Nothing listens
 * before everything behind it is ready.
 */

export interface RunningServer {
  /** `http://host:port`; undefined where the listener is off. */
  readonly http: string | undefined
  readonly https: string | undefined
  /** `mqtt://host:port` and `mqtts://host:port`. */
  readonly mqtt: string | undefined
  readonly mqtts: string | undefined
  /** `amqps://host:port`. */
  readonly amqps: string | undefined
  readonly dataDir: string
  /** The certificate authority that clients of the HTTPS listener trust. */
  readonly caFile: string
  /** Blob endpoints of the storage accounts that are passed on, by their ARM ids as configured. */
  readonly blobServices: Readonly<Record<string, string>>
  /** Takes events as an Azure service raises them; see `Fanout`. */
  readonly raise: Fanout['raise']
  /** Messages to the devices of the IoT hub with that ARM id. */
  readonly devicebound: RunningHubs['devicebound']
  /** Resolves when every event that is due has been tried, and what came of it is written. */
  settle(): Promise<void>
  /** Stops accepting, finishes what is under way, flushes. Resolves when nothing is left open. */
  close(): Promise<void>
}

export interface ServerNeeds {
  readonly clock?: Clock
  readonly log?: Log
  /** What is added to each wait of the retry schedule; default: up to two percent. */
  readonly jitter?: Jitter
  /** Gives up a start that still applies its template: then it rejects. */
  readonly signal?: AbortSignal
}

/** How long requests under way may take to end once the server stops. */
const requestGraceMs = 5_000
/**
 * How long attempts under way may take; what is cut is tried again at the next start, as if never tried. So it is
 * less than the five seconds that every endpoint has to answer. Flushing has the rest of ten seconds.
 */
const deliveryGraceMs = 4_500

/** Resolves once every listener is open; rejects with an `OperatorError` for what the operator can put right. */
export async function startServer(options: Options, needs: ServerNeeds = {}): Promise<RunningServer> {
  const { clock = createSystemClock(options.timeScale), log = createLog(options.logLevel) } = needs
  // Whatever was opened is closed in reverse when a later room fails to open; `move` takes it over at the end.
  await using opening = new AsyncDisposableStack()
  let phase: Phase = 'starting'
  // A start that fails waits for no attempt.
  let stoppingAt: EpochMs = 0
  for (const warning of options.warnings) log.warn(warning)
  const applyTemplate = options.template && (await readStartTemplate(options.template))

  const metrics = new Metrics()
  const processMetrics = watchProcess(metrics, version, clock)
  opening.defer(() => processMetrics.close())

  const dataDirectory = openDataDirectory(options.dataDir)
  opening.defer(() => dataDirectory.release())

  const certificates = await openCertificates({
    directory: join(options.dataDir, 'certificates'),
    names: certificateNames(options.host, publicNames(options), options.locations),
    clock,
    log,
  })
  opening.defer(() => certificates.close())

  const store = await engines
    .embedded({ directory: join(options.dataDir, 'store'), log, journalBytes: options.limits.journalBytes })
    .catch((error: Error) => {
      throw new OperatorError(
        `The store in ${options.dataDir} cannot be opened: ${error.message} "busbar store check" says more.`,
        error,
      )
    })
  opening.defer(() => store.close())
  for (const line of store.recovery) log.warn(line)
  watchStore(metrics, store.queues, store.streams)

  const sealer = await openSealer(join(options.dataDir, 'secrets.key'))
  const catalog = await openCatalog({ records: store.records, sealer, clock, log })

  const diagnostics = await openDiagnostics(options.diagnostics, { clock, log, metrics }).catch(
    (error: Error) => {
      throw new OperatorError(
        `Diagnostic logs cannot be written to ${options.diagnostics?.directory}: ${error.message}`,
        error,
      )
    },
  )
  opening.defer(() => diagnostics.close())
  const tail = new Tail({
    clock,
    eventSubscriptions: () => catalog.eventSubscriptions(),
    limits: { followers: options.limits.tailFollowers },
  })
  const trace = createTrace({ events: options.limits.traceEvents, bytes: options.limits.traceBytes }, tail)
  const fanout = await createFanout({
    ...{ catalog, queues: store.queues, clock, trace, metrics, log },
    backlogEvents: options.limits.backlogEvents,
  })

  const listeners: { http?: HttpListener; https?: HttpListener; mqtt?: MqttServer; amqp?: RunningAmqp } = {}
  const publicUrl = () => options.publicUrl ?? ownUrl(listeners.https ?? listeners.http)

  const tenantId = defaultSubscriptionId
  const issuer = await openIssuer({ keyFile: join(options.dataDir, 'token-signing.key'), clock })
  const configured = createPrincipals(options.signIn.principals)
  const stored = await openStoredPrincipals({ records: store.records, configured, clock })
  const principals = joinPrincipals([configured, stored, catalog.identities])
  const trust = { issuer, principals, tenantId, issuers: options.signIn.issuers }

  const rules = { ...options.webhooks, extraCa: [certificates.caPem] }
  const tokenFor = createWebhookTokens({
    issuer,
    base: publicUrl,
    outside: options.signIn.webhookTokens,
    clock,
  })
  const destinations = openDestinations({
    clock,
    rules,
    connections: options.connections,
    monitorAlertsUrl: options.monitorAlertsUrl,
    partnerDestination: (id) => catalog.partners.destination(id),
    namespaceTopic: (id) => {
      const topic = catalog.namespaces.topic(id)
      return topic && ((events) => fanout.accept(topic, events))
    },
    tokenFor,
  })
  opening.defer(() => destinations.close())
  const deadLetterStore = createBlobDeadLetterStore(options.connections)
  const delivery = await startDelivery({
    catalog,
    queues: store.queues,
    clock,
    trace,
    metrics,
    log,
    createDestination: destinations.create,
    deadLetterStore,
    diagnostics,
    limits: {
      deadLetterDelayMs: options.limits.deadLetterDelayMs,
      deadLetterPatienceMs: options.limits.deadLetterPatienceMs,
    },
    ...(needs.jitter && { jitter: needs.jitter }),
  })
  // Counted from the signal: closing the listeners first may already have taken some of it.
  opening.defer(() => delivery.close(Math.max(0, stoppingAt + deliveryGraceMs - clock.now())))

  const isOwnHost = ownHosts(
    publicNames(options),
    (name) => catalog.topicByEndpoint(name, '/api/events') !== undefined,
  )
  const authorize = createAuthorize(options.auth, clock, isOwnHost, {
    trust,
    audiences: () => controlPlaneAudiences(publicUrl()),
  })
  const { access } = catalog
  const peerOf = createPeerOf(
    options.trustedProxies.length > 0 ? addressRanges(options.trustedProxies) : undefined,
  )
  const arm = await createArmDoor({
    catalog,
    records: store.records,
    sealer,
    verify: destinations.verify,
    fanout,
    metrics,
    authorize,
    peerOf,
    publicUrl,
    amqpsPort: () => portOf(listeners.amqp?.amqps),
    capabilities: {
      allowHttpWebhooks: options.webhooks.allowHttp,
      hasConnection: (resourceId) => connectionOf(options.connections, resourceId) !== undefined,
      isNamespaceTopic: (resourceId) => catalog.namespaces.topic(resourceId) !== undefined,
      takesAlerts: options.monitorAlertsUrl !== undefined,
      namespaceProfile: options.profile,
      eventSubscriptionsPerTopic: options.limits.eventSubscriptionsPerTopic,
      domainTopicsPerDomain: options.limits.domainTopicsPerDomain,
      mqttQuotas: mqttQuotas(options.limits),
      locations: options.locations,
      topicType: topicTypeFacts,
    },
    connectionOf: (resourceId) => connectionOf(options.connections, resourceId),
    // Opened below, and before any listener is.
    hubFacts: {
      describe: (hubId) => iotHubs.describe(hubId),
      transfersOf: (hubId) => iotHubs.transfersOf(hubId),
    },
    subscriptions: options.subscriptions,
    bodyBytes: options.limits.armBodyBytes,
    clock,
    log,
  })
  opening.defer(() => arm.close())
  const readBearer = createBearerTokens({ clock, trust })
  const pull = await openPull({
    ...{ catalog, queues: store.queues, clock, trace, metrics, diagnostics, readBearer, peerOf },
    accept: (topic, events) => fanout.accept(topic, events),
    tokenSecret: sealer.sign('lock tokens'),
    openDeadLetterDesk: createDeadLetterDesks({
      ...{ queues: store.queues, clock, trace, metrics, log, deadLetterStore },
      limits: {
        deadLetterDelayMs: options.limits.deadLetterDelayMs,
        deadLetterPatienceMs: options.limits.deadLetterPatienceMs,
      },
    }),
    limits: pullLimits(options.limits),
    isStrict: options.profile === 'strict',
    publicHosts: publicNames(options),
  })
  opening.defer(() => pull.close(Math.max(0, stoppingAt + deliveryGraceMs - clock.now())))
  const publishDoor = createPublishDoor({
    catalog,
    accept: (topic, events, topicOf) => fanout.accept(topic, events, topicOf),
    clock,
    log,
    metrics,
    diagnostics,
    limits: publishLimits(options.limits),
    publicHosts: publicNames(options),
    readBearer,
    peerOf,
  })
  const signInDoor = createSignInDoor({ issuer, principals, tenantId, publicUrl, isOwnHost, clock })
  const principalsDoor = createPrincipalsDoor({
    stored,
    configured: options.signIn.principals,
    authorize,
    access,
    tenantId,
    scope: `/subscriptions/${defaultSubscriptionId}`,
  })
  const { clientId: managed, userAssigned = options.development } = options.signIn.managedIdentity
  const managedIdentityDoor = createManagedIdentityDoor({
    issuer,
    tenantId,
    byDefault: managed === undefined ? undefined : configured.byClientId(managed),
    identities: userAssigned ? catalog.identities : undefined,
    principals,
    header: await openIdentityHeader(join(options.dataDir, 'identity-header')),
    publicUrl,
    isOwnHost,
    clock,
  })
  const opsDoor = createOpsDoor({
    phase: () => phase,
    metrics,
    caPem: () => certificates.caPem,
    status: () => ({
      version,
      phase,
      listeners: [
        listeners.http?.url,
        listeners.https?.url,
        listeners.mqtt?.mqtt,
        listeners.mqtt?.mqtts,
        listeners.amqp?.amqps,
      ].filter((url) => url !== undefined),
      facts: {
        'Public URL': publicUrl(),
        ...(options.development && { 'Data directory': options.dataDir }),
      },
    }),
    readTrace: (eventId, caller) => {
      const found = trace.read(eventId)
      return found && visibleTrace(found, caller, access)
    },
    followTail: createTailRoute({ catalog, tail, access, metrics }),
    authorize,
  })
  const replayDoor = createReplayDoor({
    catalog,
    archive: deadLetterStore,
    replay: (eventSubscription, events) => fanout.replay(eventSubscription, events),
    authorize,
    access,
    clock,
    log,
  })
  const schemas = createDataSchemas()
  const schemaStoreDoor = createSchemaStoreDoor({ schemas, publicUrl })
  const triggerDoor = createTriggerDoor({
    raise: (sourceId, topicType, events) => fanout.raise(sourceId, topicType, events),
    authorize,
    access,
    schemas,
    checkData: createCheckData(schemas),
    limits: publishLimits(options.limits),
    clock,
  })
  const broker = new Broker({ clock, log, metrics, observer: createMqttObserver(diagnostics) })
  const mqttRealms = await openMqttRealms({
    ...{ broker, catalog, fanout, options, publicUrl, rules, tokenFor, readBearer, principals },
    ...{ clock, metrics, log },
    queues: store.queues,
  })
  stored.onDelete(() => mqttRealms.principalsChanged())
  opening.defer(() => mqttRealms.close())
  const knownNames = new Set(publicNames(options))
  const isHubHost = (host: string) => isLoopback(host) || knownNames.has(host)
  const iotHubs = await openHubs({
    ...{ broker, hubs: catalog.iotHubs, records: store.records, queues: store.queues },
    ...{ streams: store.streams, sealer, fanout },
    ...{ transports: destinations.transports, clock, log, metrics },
    connectionStateEvents: options.connectionStateEvents,
    isOwnHost: isHubHost,
    peerOf,
    readBearer: createBearerTokens({ clock, trust, audiences: hubAudiences }),
    permits: (principalIds, dataAction, resourceId) => catalog.permits(principalIds, dataAction, resourceId),
    profile: options.profile,
    rules,
    connections: options.connections,
    limits: options.limits,
  })
  opening.defer(() => iotHubs.close())
  const mqttHttpDoor = createMqttHttpDoor({
    brokerOf: createMessageBrokers({
      ...{ broker, peerOf, clock },
      capacityOf: ({ realm: { resource } }) =>
        (resource && catalog.namespaces.find(resource.id)?.capacity) ?? 1,
    }),
    ...{ isTopicName, isTopicFilter, clock },
  })
  // Most requests publish; the control plane's paths are many and are asked last.
  const doors: readonly Door[] = [
    publishDoor,
    pull.door,
    opsDoor,
    replayDoor,
    schemaStoreDoor,
    triggerDoor,
    mqttHttpDoor,
    iotHubs.door,
    createBrokerAdminDoor({ broker, authorize, access }),
    arm.door,
    principalsDoor,
    managedIdentityDoor,
    signInDoor,
  ]

  // Where clients need no credential, a page that a browser shows would be one.
  const allowsOrigin = (origin: string) => !options.mqtt.anonymous || isOwnHost(URL.parse(origin)?.host ?? '')
  const amqp = createAmqp({
    ...{
      guestOf: iotHubs.guestOf,
      options,
      tls: certificates.tls,
      clock,
      log,
      peerOf,
      allowsOrigin,
      cannotListen,
    },
  })
  listeners.amqp = amqp
  const mqttUpgrade = createMqttUpgrade(broker, peerOf, allowsOrigin)
  // One path serves both: the subprotocol says which.
  const upgrade: Upgrade = (...request) => amqp.upgrade(...request) || mqttUpgrade(...request)
  const open = (port: number, flag: string, tls?: { readonly cert: string; readonly key: string }) =>
    listen({
      ...{
        host: options.host,
        port,
        doors,
        log,
        limits: options.limits,
        publicUrl: options.publicUrl,
        upgrade,
      },
      // Asked for, never required: who MQTT's clients are is decided at their CONNECT.
      ...(tls && {
        tls: { ...tls, requestCert: options.mqtt.httpsClientCertificates, rejectUnauthorized: false },
      }),
    }).catch((error: NodeJS.ErrnoException) => {
      throw cannotListen(error, options.host, port, flag)
    })
  opening.defer(async () => {
    // Whoever waits for events would hold up the listener.
    pull.endWaits()
    iotHubs.endWaits()
    await Promise.all([listeners.http?.close(requestGraceMs), listeners.https?.close(requestGraceMs)])
  })
  if (options.httpPort !== 'off') listeners.http = await open(options.httpPort, settings.httpPort.flag)
  if (options.httpsPort !== 'off')
    listeners.https = await open(options.httpsPort, settings.httpsPort.flag, certificates.tls)
  const blobServices: RunningBlobService[] = []
  opening.defer(async () => {
    await Promise.all(blobServices.map((service) => service.close(requestGraceMs)))
  })
  for (const { isTls, ...setting } of options.blobServices) {
    const service = await openBlobService(
      { ...setting, host: options.host },
      {
        ...{ fanout, queues: store.queues, records: store.records, clock, log, limits: options.limits },
        tls: isTls ? certificates.tls : undefined,
      },
    ).catch((error: NodeJS.ErrnoException) => {
      throw cannotListen(error, options.host, setting.port, "'blobServices' in the configuration file")
    })
    blobServices.push(service)
    log.info({ account: service.accountId, url: service.url }, 'The blob service is passed on.')
  }
  const mqtt = await openMqttListeners({
    ...{ broker, options, clock, log, tls: certificates.tls, cannotListen },
  })
  listeners.mqtt = mqtt
  // Before the HTTP listeners, which would wait for what has become a WebSocket.
  opening.defer(() => mqtt.close(requestGraceMs))
  opening.defer(() => amqp.close(requestGraceMs))
  await amqp.open()
  // Before devices lose their connections, which would count as failures of theirs.
  opening.defer(() => iotHubs.endJobs())
  certificates.onRenew = () => {
    amqp.renew(certificates.tls)
    listeners.https?.renew(certificates.tls)
    mqtt.renew(certificates.tls)
  }

  const urls = {
    ...{ http: listeners.http?.url, https: listeners.https?.url, mqtt: mqtt.mqtt, mqtts: mqtt.mqtts },
    amqps: amqp.amqps,
  }
  const { caFile } = certificates
  await arm.resume()
  const startSignal = needs.signal ?? new AbortController().signal
  await applyTemplate?.((own, signal) => arm.deploy(own, signal), startSignal)
  if (options.mqtt.anonymous)
    await makeDevelopmentNamespace(catalog.namespaces, (own) => arm.deploy(own, startSignal))
  const blobs = Object.fromEntries(blobServices.map(({ accountId, url }) => [accountId, url]))
  dataDirectory.writeRun({
    ...{ pid: process.pid, ...urls, caFile },
    ...(blobServices.length > 0 && { blobServices: blobs }),
  })
  phase = 'ready'

  const rooms = opening.move()
  return {
    ...urls,
    dataDir: options.dataDir,
    caFile,
    blobServices: blobs,
    raise: (sourceId, topicType, events) => fanout.raise(sourceId, topicType, events),
    devicebound: (hubId) => iotHubs.devicebound(hubId),
    async settle() {
      await mqttRealms.settle()
      await iotHubs.settle()
      await Promise.all([delivery.settle(), pull.settle()])
    },
    close() {
      phase = 'stopping'
      stoppingAt = clock.now()
      return rooms.disposeAsync()
    },
  }
}

const portOf = (url: string | undefined): number | undefined =>
  url === undefined ? undefined : Number(new URL(url).port)

/** Names by which the configuration says that clients reach this server. */
function publicNames({ publicUrl, hostAliases }: Options): readonly string[] {
  return publicUrl === undefined ? hostAliases : [new URL(publicUrl).hostname, ...hostAliases]
}

/** Where clients on this machine find the listener; one that is bound to every address is found by name. */
function ownUrl(listener: HttpListener | undefined): string {
  return listener ? listener.url.replace(/\/\/(0\.0\.0\.0|\[::\])(?=:)/, '//localhost') : ''
}

/**
 * What clients may take a token for that is meant for the control plane: Resource Manager's own names, in each of the
 * spellings that clients use, and this server's.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/management/control-plane-and-data-plane
 */
function controlPlaneAudiences(publicUrl: string): readonly string[] {
  const names = ['https://management.azure.com', 'https://management.core.windows.net', publicUrl]
  return names.flatMap((name) => [name, `${name}/`])
}

function cannotListen(error: NodeJS.ErrnoException, host: string, port: number, flag: string): OperatorError {
  const place = `port ${port} on ${host}`
  switch (error.code) {
    case 'EADDRINUSE':
      return new OperatorError(
        `${place} is already in use: choose another with ${flag}, 0 for any free port, or off.`,
        error,
      )
    case 'EACCES':
      return new OperatorError(`${place} needs privileges: choose one above 1023 with ${flag}.`, error)
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new OperatorError(
        `${host} is not an address of this machine: choose another with --host.`,
        error,
      )
    default:
      return new OperatorError(`Cannot listen on ${place} (${flag}): ${error.message}`, error)
  }
}
