/* oxlint-disable no-underscore-dangle, unbound-method -- so are the members of rhea called that it keeps to itself */
import type { Connection, Delivery, Receiver, Sender, Session } from 'rhea'
import { AmqpRefusal } from './errors.ts'
import type { Rhea } from './rhea.ts'

/*
 * rhea trusts its peer. What a hostile one could do with that is refused here, before rhea sees it: on the objects of one
 * connection, so that nothing else is touched.
 */

export interface TransferFrame {
  readonly performative: {
    readonly delivery_id?: number
    readonly more?: boolean
    readonly aborted?: boolean
  }
  readonly payload?: Buffer
}

interface Incomplete {
  settled: boolean
}

export type InnerReceiver = Receiver & { _incomplete?: Incomplete | undefined; credit: number }
export type InnerSender = Sender & { credit: number }

interface Disposition {
  first: number
  last?: number
}

interface Deliveries {
  readonly size: number
  get_head(): { readonly id: number } | undefined
}

export interface InnerSession {
  links: object
  readonly outgoing: {
    readonly deliveries: Deliveries
    readonly next_delivery_id: number
    readonly next_pending_delivery: number
    available(): number
    on_disposition(fields: Disposition): void
  }
  readonly incoming: {
    readonly deliveries: Deliveries
    next_transfer_id: number
    next_delivery_id: number | undefined
    on_transfer(frame: TransferFrame, receiver: InnerReceiver): void
    on_disposition(fields: Disposition): void
  }
}

export const innerOf = (session: Session): InnerSession => session as unknown as InnerSession

interface InnerConnection {
  accept(socket: object): void
  _process(): void
}

export const innerConnectionOf = (connection: Connection): InnerConnection =>
  connection as unknown as InnerConnection

/** Nothing more is to be said of it: it makes room for another. */
export function forget(delivery: Delivery): void {
  Object.assign(delivery, { settled: true })
}

interface Attaching {
  readonly state: { open_requests: number }
  readonly connection: { _register(): void }
}

const held = new WeakSet<object>()

/** rhea answers an attach at the end of the turn, whatever comes of it. */
export function holdAttach(link: InnerReceiver | InnerSender): void {
  held.add(link)
  ;(link as unknown as Attaching).state.open_requests = 0
}

export function answerAttach(link: InnerReceiver | InnerSender): void {
  if (!held.delete(link)) return
  const { state, connection } = link as unknown as Attaching
  state.open_requests = 1
  connection._register()
}

/** rhea acts at the end of a turn too, where nobody would catch what it throws. */
export function guardConnection(connection: Connection, broken: (error: unknown) => void): void {
  const inner = innerConnectionOf(connection)
  const act = inner._process
  inner._process = () => {
    try {
      act.call(inner)
    } catch (error) {
      broken(error)
    }
  }
}

export interface TransferRules {
  /** The largest message that a link takes. */
  readonly mostBytesOf: (receiver: InnerReceiver) => number
  /** A message is complete, with so many bytes. */
  readonly comes: (receiver: InnerReceiver, bytes: number) => void
  /** One that is larger has begun to come. */
  readonly tooLarge: (receiver: InnerReceiver) => void
}

export function guardSession(session: Session, rules: TransferRules): void {
  const inner = innerOf(session)
  // Links are kept by their names, which the peer has chosen: `constructor` is one like any other.
  inner.links = Object.create(null) as object
  for (const side of [inner.outgoing, inner.incoming]) guardDispositions(side)
  guardTransfers(inner, rules)
}

/** A range goes over every number in it: those of deliveries that are there are enough. */
function guardDispositions(side: InnerSession['outgoing'] | InnerSession['incoming']): void {
  const settle = side.on_disposition
  side.on_disposition = (fields) => {
    const head = side.deliveries.get_head()
    if (!head) return
    const last = fields.last ?? fields.first
    fields.first = Math.max(fields.first, head.id)
    fields.last = Math.min(last, head.id + side.deliveries.size - 1)
    if (fields.last >= fields.first) settle.call(side, fields)
  }
}

/** rhea gathers messages of any size, takes what it gave no credit for, and does not know that they may be given up. */
function guardTransfers({ incoming }: InnerSession, { mostBytesOf, comes, tooLarge }: TransferRules): void {
  const take = incoming.on_transfer
  const coming = new WeakMap<InnerReceiver, number>()
  const refused = new WeakSet<InnerReceiver>()
  const passOver = (frame: TransferFrame, begins: boolean) => {
    incoming.next_transfer_id++
    if (begins && frame.performative.delivery_id !== undefined)
      incoming.next_delivery_id = frame.performative.delivery_id + 1
  }
  incoming.on_transfer = (frame, receiver) => {
    const { more = false, aborted = false } = frame.performative
    const begins = !coming.has(receiver)
    const bytes = (coming.get(receiver) ?? 0) + (frame.payload?.length ?? 0)
    if (more && !aborted) coming.set(receiver, bytes)
    else coming.delete(receiver)
    if (refused.has(receiver)) {
      passOver(frame, begins)
      return
    }
    if (aborted) {
      if (receiver._incomplete) receiver._incomplete.settled = true
      receiver._incomplete = undefined
      passOver(frame, begins)
      return
    }
    if (begins && receiver.credit <= 0)
      throw new AmqpRefusal('amqp:link:transfer-limit-exceeded', 'A message came without credit.')
    if (bytes > mostBytesOf(receiver)) {
      refused.add(receiver)
      if (receiver._incomplete) receiver._incomplete.settled = true
      receiver._incomplete = undefined
      passOver(frame, begins)
      tooLarge(receiver)
      return
    }
    if (!more) comes(receiver, bytes)
    // An empty one would be decoded as nothing at all.
    take.call(incoming, frame.payload ? frame : { ...frame, payload: Buffer.alloc(0) }, receiver)
  }
}

interface InnerReader {
  remaining(): number
  read_n(count: number): unknown
  read_array_items(count: number, type: unknown): unknown
}

const guarded = new WeakSet<object>()

/** A list or an array that says it has more items than there are bytes left is refused before room is made for them. */
export function guardReader(rhea: Rhea): void {
  const { Reader } = rhea.types as unknown as { readonly Reader: { readonly prototype: InnerReader } }
  const { prototype } = Reader
  if (guarded.has(prototype)) return
  guarded.add(prototype)
  for (const name of ['read_n', 'read_array_items'] as const) {
    const read = prototype[name]
    prototype[name] = function (this: InnerReader, count: number, type?: unknown) {
      if (count > this.remaining())
        throw new AmqpRefusal(
          'amqp:decode-error',
          `${count} items are said to be in ${this.remaining()} bytes.`,
        )
      return read.call(this, count, type)
    }
  }
}
