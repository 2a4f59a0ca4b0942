import type { IotHub } from '../catalog/iot-hub.ts'
import type { WireObject } from '../wire/shape.ts'
import { empty, json } from './answers.ts'
import { type Call, decodePage, type Route, route } from './route.ts'

/** The jobs of a hub, in the words of their requests and answers. */
export interface Jobs {
  schedule(id: string, body: unknown): Promise<WireObject>
  scheduled(id: string): Promise<WireObject>
  cancelScheduled(id: string): Promise<WireObject>
  page(
    wanted: { readonly type: string | null; readonly status: string | null },
    size: number,
    after: string | undefined,
  ): Promise<{ readonly results: readonly WireObject[]; readonly continuation: string | undefined }>
  /** What became of scheduled jobs on each device, behind that place. */
  devices(after?: string): AsyncIterable<{ readonly place: string; readonly document: WireObject }>
  createTransfer(body: unknown): Promise<WireObject>
  transfer(id: string): WireObject
  transfers(): readonly WireObject[]
  cancelTransfer(id: string): Promise<void>
}

/**
 * Scheduled jobs, and imports and exports.
 *
 * Source: learn.microsoft.com/rest/api/iothub/service/jobs
 */
export function jobRoutes(jobsOf: (hub: IotHub) => Promise<Jobs>): readonly Route[] {
  const idOf = ({ names: [id = ''] }: Call) => id
  return [
    // Before the jobs by their ids: `query` is none.
    route('GET /jobs/v2/query', 'ServiceConnect', async ({ hub, request }) => {
      const { query } = request
      const { size, continuation } = decodePage(request)
      const after = continuation && Buffer.from(continuation, 'base64url').toString()
      const wanted = { type: query.get('jobType'), status: query.get('jobStatus') }
      const page = await (await jobsOf(hub)).page(wanted, size, after || undefined)
      const next = page.continuation && Buffer.from(page.continuation).toString('base64url')
      return json(page.results, {
        headers: {
          'x-ms-item-type': 'JobResponse',
          ...(next !== undefined && { 'x-ms-continuation': next }),
        },
      })
    }),
    route('PUT /jobs/v2/{}', 'ServiceConnect', async (call) =>
      json(await (await jobsOf(call.hub)).schedule(idOf(call), await call.body())),
    ),
    route('GET /jobs/v2/{}', 'ServiceConnect', async (call) =>
      json(await (await jobsOf(call.hub)).scheduled(idOf(call))),
    ),
    route('POST /jobs/v2/{}/cancel', 'ServiceConnect', async (call) =>
      json(await (await jobsOf(call.hub)).cancelScheduled(idOf(call))),
    ),
    route('POST /jobs/create', 'RegistryWrite', async (call) =>
      json(await (await jobsOf(call.hub)).createTransfer(await call.body())),
    ),
    route('GET /jobs', 'RegistryWrite', async ({ hub }) => json((await jobsOf(hub)).transfers())),
    route('GET /jobs/{}', 'RegistryWrite', async (call) =>
      json((await jobsOf(call.hub)).transfer(idOf(call))),
    ),
    route('DELETE /jobs/{}', 'RegistryWrite', async (call) => {
      await (await jobsOf(call.hub)).cancelTransfer(idOf(call))
      return empty(204)
    }),
  ]
}
