import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { replaceFile } from './base/files.ts'
import { OperatorError } from './base/operator-error.ts'

/**
 * What App Service's form of the managed identity endpoint asks for, from the data directory, where it is made when it
 * is not there: who may read that may have the tokens.
 */
export async function openIdentityHeader(file: string): Promise<string> {
  try {
    const text = (await readFile(file, 'utf8')).trim()
    if (text.length >= 16) return text
    throw new Error('it holds fewer than 16 characters.')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new OperatorError(
        `The header of managed identities, ${file}, cannot be used: ${(error as Error).message} Delete it to have a new one made.`,
        error,
      )
  }
  const made = randomBytes(24).toString('hex')
  replaceFile(file, `${made}\n`, 0o600)
  return made
}
