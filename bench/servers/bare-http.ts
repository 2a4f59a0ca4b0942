import { fileURLToPath } from 'node:url'
import type { Scope } from '../scope.ts'
import { startChild } from './child.ts'

export interface BareHttp {
  readonly pid: number
  readonly url: string
}

/** A bare node:http server in a process of its own: parses the JSON, stores nothing, answers 200. */
export async function startBareHttp(scope: Scope): Promise<BareHttp> {
  const child = startChild(process.execPath, [
    fileURLToPath(new URL('bare-http-process.ts', import.meta.url)),
  ])
  scope.defer(async () => void (await child.end('SIGKILL')))
  const url = await child.line(/^http:/)
  return { pid: child.pid, url }
}
