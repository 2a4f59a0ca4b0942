import type { AmqpNode } from './amqp/guest.ts'
import type { Log } from './base/log.ts'
import type { Devicebound, ServiceQueue } from './devicebound/devicebound.ts'
import type { CloudMessages } from './hubdevices/amqp-devicebound.ts'
import { createServiceNode, type NoticeQueue } from './iothub/amqp.ts'
import { HubError } from './registry/errors.ts'

/* The queues of a hub, as the links of AMQP know them: each link hears of what may be there for it while it is open. */

export function cloudMessagesOf(devicebound: Devicebound, log: Log): CloudMessages {
  const followers = new Map<string, Set<() => void>>()
  devicebound.onReady((deviceId) => {
    for (const listener of followers.get(deviceId) ?? []) listener()
  })
  return {
    receive: (deviceId) => devicebound.receive(deviceId),
    complete: (deviceId, lockToken) => devicebound.complete(deviceId, lockToken),
    reject: (deviceId, lockToken) => devicebound.reject(deviceId, lockToken),
    abandon: (deviceId, lockToken) => devicebound.abandon(deviceId, lockToken),
    follow(deviceId, listener) {
      const listeners = followers.get(deviceId) ?? new Set()
      followers.set(deviceId, listeners.add(listener))
      return () => {
        listeners.delete(listener)
        if (listeners.size === 0 && followers.get(deviceId) === listeners) followers.delete(deviceId)
      }
    },
    lost: (deviceId, error) => {
      // A lock that is lost is nothing to speak of: the message is sent again.
      if (error instanceof HubError)
        log.debug({ err: error, deviceId }, 'A message to a device was not settled.')
      else log.error({ err: error, deviceId }, 'A message to a device could not be read or settled.')
    },
  }
}

export const serviceNodeOf = (devicebound: Devicebound, log: Log): AmqpNode =>
  createServiceNode({
    send: (deviceId, message) => devicebound.send(deviceId, message),
    feedback: noticesOf(devicebound.feedback),
    fileNotifications: noticesOf(devicebound.fileNotifications),
    failed: (error) => {
      if (error instanceof HubError)
        log.debug({ err: error }, 'A notice to the service side was not settled.')
      else log.error({ err: error }, 'What a service client has asked for over AMQP could not be done.')
    },
  })

function noticesOf(queue: ServiceQueue): NoticeQueue {
  const listeners = new Set<() => void>()
  queue.onReady(() => {
    for (const listener of listeners) listener()
  })
  return {
    receive: () => queue.receive(),
    complete: (lockToken) => queue.complete(lockToken),
    abandon: (lockToken) => queue.abandon(lockToken),
    follow(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
