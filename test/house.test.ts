import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative, resolve, sep } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

/*
 * The floor rule: import from your own room or from a lower floor; never sideways, never up. ARCHITECTURE.md
 * shows the same floors.
 */

/** Rooms under src/ by floor. The files that lie in src/ itself are one room, `server`. */
const floors: Readonly<Record<string, number>> = {
  cli: 8,
  server: 7,
  arm: 6,
  blobservice: 6,
  hubdevices: 6,
  hubjobs: 6,
  iothub: 6,
  publish: 6,
  pull: 6,
  replay: 6,
  schemastore: 6,
  trigger: 6,
  ops: 6,
  signin: 6,
  mqtt: 6,
  mqtthttp: 6,
  permission: 5,
  fanout: 5,
  devicebound: 5,
  fileupload: 5,
  registry: 5,
  hubevents: 5,
  hubroutes: 5,
  delivery: 5,
  sessions: 5,
  routing: 5,
  lifecycle: 5,
  catalog: 4,
  resources: 3,
  hubmessage: 3,
  client: 2,
  templates: 2,
  filter: 2,
  hubquery: 2,
  sources: 2,
  destinations: 2,
  auth: 2,
  trace: 2,
  diagnostics: 2,
  event: 1,
  store: 1,
  http: 1,
  amqp: 1,
  wire: 1,
  certificates: 1,
  base: 0,
}

/** Only tests import it, and it may import everything. */
const testing = 'testing'

const root = fileURLToPath(new URL('..', import.meta.url))
const src = join(root, 'src')

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.replaceAll(sep, posix.sep))
  .toSorted()

test('every file imports from its own room or from a lower floor', () => {
  const wrong: string[] = []
  for (const file of files) {
    if (file.endsWith('.test.ts') || roomOf(file) === testing) continue
    for (const imported of importsOf(file)) {
      const [from, to] = [roomOf(file), roomOf(imported)]
      if (from === to) continue
      if (to === testing) wrong.push(`src/${file} imports src/${imported}: only tests may`)
      else if (floorOf(to) >= floorOf(from))
        wrong.push(`src/${file} (floor ${floorOf(from)}) imports src/${imported} (floor ${floorOf(to)})`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('every folder under src/ is a room with a floor', () => {
  for (const file of files) if (roomOf(file) !== testing) floorOf(roomOf(file))
})

test('time, chance and timers come from base/ alone', () => {
  const own = /\b(Date\.now|setTimeout|setInterval|Math\.random)\(/
  const wrong = files.filter((file) => {
    if (file.endsWith('.test.ts') || ['base', testing].includes(roomOf(file))) return false
    // Closing a listener waits for sockets, which know real time only.
    if (file === 'http/http.ts') return false
    return own.test(readFileSync(join(src, file), 'utf8'))
  })
  assert.deepEqual(wrong, [])
})

test('ARCHITECTURE.md shows the same floors', () => {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
  const shown = [...text.matchAll(/^ {2}([a-z]+)(?:\/|\.ts) +(\d) /gm)].map(([, room, floor]) => [
    room,
    Number(floor),
  ])
  assert.deepEqual(Object.fromEntries(shown), floors)
})

test('documents link to files that are there', () => {
  const documents = ['README.md', 'ARCHITECTURE.md', ...markdownIn('docs')]
  for (const document of documents) {
    const text = readFileSync(join(root, document), 'utf8')
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)) {
      const path = resolve(root, dirname(document), target)
      assert.ok(existsSync(path), `${document} links to ${target}`)
    }
  }
})

function floorOf(room: string): number {
  const floor = floors[room]
  assert.ok(floor !== undefined, `src/${room}/ has no floor: add it here and to ARCHITECTURE.md`)
  return floor
}

function roomOf(file: string): string {
  const [first = '', ...rest] = file.split('/')
  return rest.length === 0 ? 'server' : first
}

/** Files under src/ that this one imports, types included. */
function importsOf(file: string): readonly string[] {
  const text = readFileSync(join(src, file), 'utf8')
  const paths = text.matchAll(/(?:\bfrom|\bimport) ?\(?\s*'(\.{1,2}\/[^']+)'/g)
  return [...paths]
    .map(([, path = '']) => relative(src, resolve(src, dirname(file), path)).replaceAll(sep, posix.sep))
    .filter((path) => !path.startsWith('..'))
}

const markdownIn = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name))
