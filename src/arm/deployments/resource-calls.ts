import type { Caller } from '../../auth/caller.ts'
import type { Origin } from '../../auth/origin.ts'
import { RequestError } from '../../base/errors.ts'
import type { HttpRequest, HttpResponse } from '../../http/http.ts'
import type { ObjectValue, Value } from '../../templates/language/value.ts'
import type { Runtime } from '../../templates/templates.ts'
import { typeOfId } from '../../wire/arm-id.ts'
import { apiVersions, genericVersions } from '../api-versions.ts'
import type { Perform } from '../call.ts'
import type { Operations } from '../operations.ts'
import { OperationFailed } from './errors.ts'

/*
 * What a deployment does to resources, on the very way that requests over HTTP take: so every check, lock and
 * event of a request is one of a deployment too.
 */

/** On whose behalf, and as part of what. */
export interface CallContext {
  readonly caller: Caller
  /** Without a request: nobody asked for what a deployment does by itself. */
  readonly origin: Origin
  /** Base of the URLs in answers. */
  readonly base: string
}

export class ResourceCalls {
  readonly #perform: Perform
  readonly #operations: Operations

  constructor({ perform, operations }: { perform: Perform; operations: Operations }) {
    this.#perform = perform
    this.#operations = operations
  }

  /**
   * Writes a resource, and resolves when it is there. Rejects with a `RequestError` when the write is refused, with
   * `OperationFailed` when it was accepted and then failed; as soon as the signal aborts, with its reason.
   */
  put(
    id: string,
    apiVersion: string,
    body: ObjectValue,
    context: CallContext,
    signal: AbortSignal,
  ): Promise<void> {
    return untilAborted(this.#change('PUT', id, apiVersion, body, context), signal)
  }

  delete(id: string, apiVersion: string, context: CallContext, signal: AbortSignal): Promise<void> {
    return untilAborted(this.#change('DELETE', id, apiVersion, undefined, context), signal)
  }

  /** The resource as it is; undefined when it is not there. */
  async get(id: string, apiVersion: string, context: CallContext): Promise<ObjectValue | undefined> {
    try {
      return (await this.#send('GET', id, apiVersion, undefined, context)) as ObjectValue
    } catch (error) {
      if (error instanceof RequestError && error.status === 404) return undefined
      throw error
    }
  }

  /** Every item of a list. */
  async list(id: string, apiVersion: string, context: CallContext): Promise<readonly ObjectValue[]> {
    const items: ObjectValue[] = []
    for (let skipToken: string | undefined = ''; skipToken !== undefined; ) {
      const page: { readonly value?: readonly ObjectValue[]; readonly nextLink?: string } =
        // Each page says where the next begins.
        // oxlint-disable-next-line no-await-in-loop
        (await this.#send('GET', id, apiVersion, undefined, context, skipToken)) as never
      items.push(...(page.value ?? []))
      skipToken =
        page.nextLink === undefined
          ? undefined
          : (new URL(page.nextLink).searchParams.get('$skipToken') ?? undefined)
    }
    return items
  }

  /** The deployed resources, as templates ask for them. */
  runtime(context: CallContext): Runtime {
    return {
      reference: async (id, apiVersion = versionFor(id), isFull) => {
        const resource = (await this.#send('GET', id, apiVersion, undefined, context)) as ObjectValue
        if (!isFull) return resource.properties ?? {}
        return {
          ...resource,
          apiVersion,
          resourceId: resource.id ?? id,
          subscriptionId: segmentAfter('subscriptions', id),
          resourceGroupName: segmentAfter('resourcegroups', id),
        }
      },
      list: (id, functionName, apiVersion = versionFor(id), body) =>
        this.#send('POST', `${id}/${functionName}`, apiVersion, body, context),
    }
  }

  async #change(
    method: 'PUT' | 'DELETE',
    id: string,
    apiVersion: string,
    body: ObjectValue | undefined,
    context: CallContext,
  ): Promise<void> {
    const answer = await this.#perform(
      requestOf(method, id, apiVersion, body, context),
      context.caller,
      context.origin,
    )
    checked(answer)
    const operationId = operationOf(answer)
    if (operationId === undefined) return
    await this.#operations.ended(operationId)
    const status = this.#operations.status(operationId)
    if (status?.status === 'Failed') throw new OperationFailed(status.error)
    if (status?.status === 'InProgress') throw new Error(`The operation ${operationId} was cut off.`)
  }

  async #send(
    method: 'GET' | 'POST',
    id: string,
    apiVersion: string,
    body: Value | undefined,
    context: CallContext,
    skipToken = '',
  ): Promise<Value> {
    const request = requestOf(method, id, apiVersion, body, context, skipToken)
    const answer = checked(await this.#perform(request, context.caller, context.origin))
    return answer.body === undefined ? null : (JSON.parse(answer.body.toString()) as Value)
  }
}

/** For what is asked without a version: one that every kind of resource of that provider is known by. */
export function versionFor(id: string): string {
  const namespace = (typeOfId(id) ?? '').split('/', 1)[0] as string
  const versions = apiVersions[namespace.toLowerCase()] ?? genericVersions
  return versions.find((version) => !version.endsWith('-preview')) as string
}

/** For what is asked of Resource Manager itself. */
export const managerVersion = '2022-09-01'

function requestOf(
  method: string,
  id: string,
  apiVersion: string,
  body: Value | undefined,
  { base }: CallContext,
  skipToken = '',
): HttpRequest {
  const path = id.split('/').map(encodeURIComponent).join('/')
  const query = new URLSearchParams({
    'api-version': apiVersion,
    ...(skipToken !== '' && { $skipToken: skipToken }),
  })
  return {
    method,
    path,
    query,
    url: `${path}?${query.toString()}`,
    onGone: () => {},
    headers: {},
    rawHeaders: [],
    remoteAddress: '',
    base,
    tlsVersion: undefined,
    certificates: [],
    body: async () => Buffer.from(body === undefined ? '' : JSON.stringify(body)),
  }
}

/** Refusals are thrown by most routes; one that answers with one is taken as if it had thrown it. */
function checked(answer: HttpResponse): HttpResponse {
  if (answer.status < 400) return answer
  const { error } = JSON.parse(answer.body?.toString() ?? '{}') as {
    readonly error?: { readonly code?: string; readonly message?: string }
  }
  throw new RequestError(
    answer.status,
    error?.code ?? 'Failed',
    error?.message ?? `It was answered ${answer.status}.`,
  )
}

/** The long-running operation that an answer began. */
function operationOf({ headers = {} }: HttpResponse): string | undefined {
  const url = headers['Azure-AsyncOperation'] ?? headers.Location
  return url === undefined ? undefined : /\/([^/?]+)\?[^/]*$/.exec(url)?.[1]?.toLowerCase()
}

function segmentAfter(word: string, id: string): Value {
  const segments = id.split('/')
  const at = segments.findIndex((each) => each.toLowerCase() === word)
  return segments[at + 1] ?? null
}

/** Resolves as `work` does; rejects as soon as the signal aborts, whatever becomes of the work then. */
function untilAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason as Error)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
