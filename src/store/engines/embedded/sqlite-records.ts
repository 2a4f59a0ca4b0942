import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { RecordConflict, type Records, type StoredRecord } from '../../store.ts'

/**
 * Records in SQLite, durable with every write. The control plane writes and start-up reads them; the path of an
 * event never comes here, so a synchronous database costs nothing where it would hurt.
 */
export class SqliteRecords implements Records {
  readonly #database: DatabaseSync
  readonly #get: StatementSync
  readonly #list: StatementSync
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
    // No key holds U+10FFFF, the highest code point, so it ends the range of keys with this prefix.
    return this.#list.all(prefix, `${prefix}\u{10ffff}`).map((row) => ({
      key: row.key as string,
      value: JSON.parse(row.value as string),
      version: row.version as number,
    }))
  }

  async put(key: string, value: unknown, expected?: number): Promise<number> {
    return this.#write(() => {
      this.#check(key, expected)
      // Counted over all keys and kept, so that a key made again never shows an old version.
      const version = this.#version + 1
      this.#put.run(key, JSON.stringify(value), version)
      this.#count.run(version)
      this.#version = version
      return version
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

  #check(key: string, expected: number | undefined): void {
    if (expected === undefined) return
    const found = (this.#get.get(key)?.version as number | undefined) ?? 0
    if (found !== expected) throw new RecordConflict(key, expected, found)
  }

  #write<T>(act: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      const result = act()
      this.#database.exec('COMMIT')
      return result
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }
}
