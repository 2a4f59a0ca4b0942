import { auth } from './auth.ts'
import { connack } from './connack.ts'
import { connect } from './connect.ts'
import { disconnect } from './disconnect.ts'
import type { PacketType } from './packet.ts'
import type { PacketCodec } from './packet-codec.ts'
import { pingreq } from './pingreq.ts'
import { pingresp } from './pingresp.ts'
import { puback } from './puback.ts'
import { pubcomp } from './pubcomp.ts'
import { publish } from './publish.ts'
import { pubrec } from './pubrec.ts'
import { pubrel } from './pubrel.ts'
import { suback } from './suback.ts'
import { subscribe } from './subscribe.ts'
import { unsuback } from './unsuback.ts'
import { unsubscribe } from './unsubscribe.ts'

/** Every control packet under its name. */
export const packets: { readonly [T in PacketType]: PacketCodec<T> } = {
  connect,
  connack,
  publish,
  puback,
  pubrec,
  pubrel,
  pubcomp,
  subscribe,
  suback,
  unsubscribe,
  unsuback,
  pingreq,
  pingresp,
  disconnect,
  auth,
}
