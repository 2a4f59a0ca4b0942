import type { HttpRequest } from '../http/http.ts'
import { tooManyRequests } from './errors.ts'
import type { PublishLimits } from './limits.ts'

/** Bounds what is being read or stored at a time, so that a slow disk fills no memory. */
export interface Pressure {
  /** Makes room for the request, or throws `tooManyRequests`. */
  take(request: HttpRequest): Place
}

/** Room that a request has until it is released. */
export interface Place {
  /** The body has been read and is no larger than this; its length may not have been known before. */
  shrink(bodyBytes: number): void
  release(): void
}

export function createPressure(limits: PublishLimits): Pressure {
  let requests = 0
  let bytes = 0
  return {
    take({ headers }) {
      const announced = Number(headers['content-length'] ?? limits.requestBytes)
      // What is over the limit is refused before it is read.
      let taken = announced <= limits.requestBytes ? announced : 0
      if (requests >= limits.pendingRequests || bytes + taken > limits.pendingBytes) throw tooManyRequests()
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
