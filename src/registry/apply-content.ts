import { isObject, type WireObject } from '../wire/shape.ts'
import { type Setting, settingsOf } from './configuration.ts'
import { HubError } from './errors.ts'
import { checkId } from './identity.ts'
import type { Registry } from './registry.ts'

/**
 * Lays content on one device, once: `deviceContent` on itself, and on a device of IoT Edge `modulesContent` on its
 * modules, by their ids; those that are not there are registered. Nothing is changed where something of it is wrong.
 *
 * Source: learn.microsoft.com/rest/api/iothub/service/configuration/apply-on-edge-device
 */
export async function applyContent(registry: Registry, deviceId: string, content: WireObject): Promise<void> {
  const { deviceContent, modulesContent, moduleContent, ...unknown } = content
  const [other] = Object.entries({ moduleContent, ...unknown }).find(([, value]) => value != null) ?? []
  if (other !== undefined)
    throw badContent(`A device takes deviceContent and modulesContent; '${other}' is none of them.`)
  const own = decoded(deviceContent, 'deviceContent')
  if (modulesContent != null && !isObject(modulesContent))
    throw badContent('modulesContent must be an object.')
  const modules = Object.entries(modulesContent ?? {}).map(
    ([moduleId, value]) =>
      [checkId(moduleId, 'moduleId'), decoded(value, `modulesContent.${moduleId}`)] as const,
  )
  const { isEdge } = await registry.get({ deviceId })
  if (modules.length > 0 && !isEdge)
    throw badContent(`modulesContent is for devices of IoT Edge, which '${deviceId}' is not.`)
  if (own.length > 0) await registry.setDesired({ deviceId }, own)
  for (const [moduleId, settings] of modules) {
    const name = { deviceId, moduleId }
    if (!(await registry.find(name))) await registry.create(name, newModule)
    await registry.setDesired(name, settings)
  }
}

const newModule = {
  status: undefined,
  statusReason: undefined,
  authentication: undefined,
  isEdge: undefined,
  deviceScope: undefined,
  parentScopes: undefined,
  managedBy: 'IotEdge',
}

function decoded(value: unknown, name: string): readonly Setting[] {
  if (value == null) return []
  if (!isObject(value)) throw badContent(`${name} must be an object of paths and values.`)
  return settingsOf(value, name)
}

const badContent = (message: string) => new HubError('InvalidConfigurationContent', message)
