import type { HttpRequest } from '../http/http.ts'
import { tooManyRequests } from './errors.ts'
import type { PublishLimits } from './publish.ts'

/** Bounds what is being read or stored at a time, so that a slow disk fills no memory. */
export interface Pressure {
  /** Makes room for the request or throws `tooManyRequests`. The function returned gives the room back. */
  take(request: HttpRequest): () => void
}

export function createPressure(limits: PublishLimits): Pressure {
  let requests = 0
  let bytes = 0
  return {
    take({ headers }) {
      const announced = Number(headers['content-length'] ?? limits.requestBytes)
      // What is over the limit is refused before it is read.
      const taken = announced <= limits.requestBytes ? announced : 0
      if (requests >= limits.pendingRequests || bytes + taken > limits.pendingBytes) throw tooManyRequests()
      requests++
      bytes += taken
      return () => {
        requests--
        bytes -= taken
      }
    },
  }
}
