/*
 * What a bearer must be permitted on the hub for each request of the service API.
 *
 * Source: learn.microsoft.com/azure/iot-hub/authenticate-authorize-azure-ad, "Permissions for IoT Hub service APIs"
 */

const hub = 'Microsoft.Devices/IotHubs'

/** All of them are needed. */
export type DataActions = readonly string[]

const verbs: Readonly<Record<string, string>> = { GET: 'read', DELETE: 'delete' }

/** @param path of the route, in lower case; names are `{}` */
export function dataActionsOf(method: string, path: readonly string[]): DataActions {
  const [collection = '', ...rest] = path
  const last = path.at(-1)
  const verb = verbs[method] ?? 'write'
  if (last === 'methods' || (collection === 'digitaltwins' && method === 'POST'))
    return [`${hub}/directMethods/invoke/action`]
  switch (collection) {
    case 'devices':
      if (rest[0] === 'query') return [`${hub}/twins/read`]
      if (last === 'commands') return [`${hub}/cloudToDeviceMessages/queue/purge/action`]
      if (last === 'applyconfigurationcontent') return [`${hub}/configurations/applyToEdgeDevice/action`]
      // Many at once, whatever is to become of each.
      if (method === 'POST') return [`${hub}/devices/write`, `${hub}/devices/delete`]
      return [`${hub}/devices/${verb}`]
    case 'twins':
    case 'digitaltwins':
      return [`${hub}/twins/${verb}`]
    case 'jobs':
      return [`${hub}/jobs/${verb}`]
    case 'configurations':
      return [`${hub}/configurations/${last === 'testqueries' ? 'testQueries/action' : verb}`]
    case 'statistics':
      return [`${hub}/statistics/read`]
    case 'messages':
      // No role of Azure's has it: nobody but who may do everything.
      if (last === 'events') return [`${hub}/messages/read`]
      return [last === 'filenotifications' ? hubActions.fileNotifications : hubActions.feedback]
    default:
      // Nobody but who may do everything.
      return [`${hub}/${collection}/${verb}`]
  }
}

/** What is not asked for over HTTPS alone. */
export const hubActions = {
  send: `${hub}/cloudToDeviceMessages/send/action`,
  feedback: `${hub}/cloudToDeviceMessages/feedback/action`,
  fileNotifications: `${hub}/fileUpload/notifications/action`,
} as const
