import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { type RecordChange, RecordConflict, type Records, type StoredRecord } from '../../store.ts'

/**
 * Records in SQLite, durable with every write. The control plane writes and start-up reads them; the path of an
 * event never comes here, so a synchronous database costs nothing where it would hurt.
 */
export class SqliteRecords implements Records {
  readonly #database: DatabaseSync
  readonly #get: StatementSync
  readonly #list: StatementSync
  readonly #page: StatementSync
  readonly #put: StatementSync
  readonly #delete: StatementSync
  readonly #count: StatementSync
  #version: number

  constructor(file: string) {
    const database = new DatabaseSync(file)
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA busy_timeout = 1000;
      CREATE TABLE IF NOT EXISTS records (
        key TEXT PRIMARY KEY, value TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS counter (version INTEGER NOT NULL);
      INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter);
    `)
    this.#database = database
    this.#get = database.prepare('SELECT value, version FROM records WHERE key = ?')
    this.#list = database.prepare(
      'SELECT key, value, version FROM records WHERE key >= ? AND key < ? ORDER BY key',
    )
    this.#page = database.prepare(
      'SELECT key, value, version FROM records WHERE key > ? AND key < ? ORDER BY key LIMIT ?',
    )
    this.#put = database.prepare('INSERT OR REPLACE INTO records (key, value, version) VALUES (?, ?, ?)')
    this.#delete = database.prepare('DELETE FROM records WHERE key = ?')
    this.#count = database.prepare('UPDATE counter SET version = ?')
    this.#version = Number(database.prepare('SELECT version FROM counter').get()?.version)
  }

  async get(key: string): Promise<StoredRecord | undefined> {
    const row = this.#get.get(key)
    return row && { key, value: JSON.parse(row.value as string), version: row.version as number }
  }

  async list(prefix: string): Promise<readonly StoredRecord[]> {
    return this.#list.all(prefix, endOf(prefix)).map(decodeRow)
  }

  async page(prefix: string, after: string | undefined, limit: number): Promise<readonly StoredRecord[]> {
    if (after === undefined) {
      // A key that is the prefix itself comes first, and is not behind it.
      const first = this.#get.get(prefix)
      const rest = this.#page
        .all(prefix, endOf(prefix), Math.max(0, first ? limit - 1 : limit))
        .map(decodeRow)
      return first && limit > 0 ? [decodeRow({ ...first, key: prefix }), ...rest] : rest
    }
    return this.#page.all(after, endOf(prefix), limit).map(decodeRow)
  }

  async put(key: string, value: unknown, expected?: number): Promise<number> {
    return this.#write(() => {
      const version = this.#set(key, value, expected)
      this.#count.run(version)
      return version
    })
  }

  async write(changes: readonly RecordChange[]): Promise<readonly number[]> {
    if (changes.length === 0) return []
    return this.#write(() => {
      const versions = changes.map(({ key, value, expected }) => {
        if (value !== undefined) return this.#set(key, value, expected)
        this.#check(key, expected)
        this.#delete.run(key)
        return 0
      })
      this.#count.run(this.#version)
      return versions
    })
  }

  async delete(key: string, expected?: number): Promise<boolean> {
    return this.#write(() => {
      this.#check(key, expected)
      return this.#delete.run(key).changes > 0
    })
  }

  close(): void {
    this.#database.close()
  }

  #set(key: string, value: unknown, expected: number | undefined): number {
    this.#check(key, expected)
    // Counted over all keys and kept, so that a key made again never shows an old version.
    const version = this.#version + 1
    this.#put.run(key, JSON.stringify(value), version)
    this.#version = version
    return version
  }

  #check(key: string, expected: number | undefined): void {
    if (expected === undefined) return
    const found = (this.#get.get(key)?.version as number | undefined) ?? 0
    if (found !== expected) throw new RecordConflict(key, expected, found)
  }

  #write<T>(act: () => T): T {
    const before = this.#version
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      const result = act()
      this.#database.exec('COMMIT')
      return result
    } catch (error) {
      this.#version = before
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }
}

/** No key holds U+10FFFF, the highest code point, so it ends the range of keys with that prefix. */
const endOf = (prefix: string): string => `${prefix}\u{10ffff}`

const decodeRow = (row: Readonly<Record<string, unknown>>): StoredRecord => ({
  key: row.key as string,
  value: JSON.parse(row.value as string),
  version: row.version as number,
})
