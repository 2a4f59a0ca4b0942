import type { HttpRequest } from './http.ts'

export interface PressureLimits {
  readonly requestBytes: number
  /** Requests that are being read or stored at a time. */
  readonly pendingRequests: number
  /** Bytes of their bodies together. */
  readonly pendingBytes: number
}

/** Bounds what is being read or stored at a time, so that a slow disk fills no memory. */
export interface Pressure {
  /** Makes room for the request, or throws what it was given for that. */
  take(request: HttpRequest): Place
}

/** Room that a request has until it is released. */
export interface Place {
  /** The body has been read and is no larger than this; its length may not have been known before. */
  shrink(bodyBytes: number): void
  release(): void
}

export function createPressure(limits: PressureLimits, refusal: () => Error): Pressure {
  let requests = 0
  let bytes = 0
  return {
    take({ headers }) {
      const announced = Number(headers['content-length'] ?? limits.requestBytes)
      // What is over the limit is refused before it is read.
      let taken = announced <= limits.requestBytes ? announced : 0
      if (requests >= limits.pendingRequests || bytes + taken > limits.pendingBytes) throw refusal()
      requests++
      bytes += taken
      return {
        shrink(bodyBytes) {
          bytes += bodyBytes - taken
          taken = bodyBytes
        },
        release() {
          requests--
          bytes -= taken
        },
      }
    },
  }
}
