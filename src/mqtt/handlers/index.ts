import { onAuth } from './auth.ts'
import { onConnect } from './connect.ts'
import { onDisconnect } from './disconnect.ts'
import { onPingreq } from './pingreq.ts'
import { onPuback } from './puback.ts'
import { onPubcomp } from './pubcomp.ts'
import { onPublish } from './publish.ts'
import { onPubrec } from './pubrec.ts'
import { onPubrel } from './pubrel.ts'
import { onSubscribe } from './subscribe.ts'
import { onUnsubscribe } from './unsubscribe.ts'

/** What the broker does on each packet that a client may send. To add one: write the file, add the line. */
export const handlers = {
  connect: onConnect,
  publish: onPublish,
  puback: onPuback,
  pubrec: onPubrec,
  pubrel: onPubrel,
  pubcomp: onPubcomp,
  subscribe: onSubscribe,
  unsubscribe: onUnsubscribe,
  pingreq: onPingreq,
  disconnect: onDisconnect,
  auth: onAuth,
}
