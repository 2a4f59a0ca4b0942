import { decodeJsonBody } from '../hubmessage/json-body.ts'
import type { HubMessage } from '../hubmessage/message.ts'
import { queriedProperty } from '../hubmessage/system-properties.ts'
import { type MessageView, memberOf } from '../hubquery/route-condition.ts'

/** A message as conditions see it: its body is decoded once, when the first of them asks. */
export function viewOf(message: HubMessage, twin: unknown): MessageView {
  let body: { readonly value: unknown } | undefined
  return {
    property: (name) => memberOf(message.properties, name) ?? undefined,
    systemProperty: (name) => queriedProperty(message, name),
    body: () => (body ??= { value: decodeJsonBody(message.payload, message.system) }).value,
    twin: () => twin,
  }
}
