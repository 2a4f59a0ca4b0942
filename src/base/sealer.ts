import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { replaceFile } from './files.ts'

/**
 * Keeps secrets unreadable in the store: whoever has a copy of the records without the key file learns nothing.
 * What was sealed for one purpose opens for that purpose only, so that a value cannot be moved to another record.
 *
 *     sealed text, base64 of:  version (1 byte: 1) | nonce (12) | tag (16) | ciphertext (AES-256-GCM)
 */
export interface Sealer {
  /** @param purpose what the secret belongs to, such as the uid of a resource */
  seal(text: string, purpose: string): string
  /** Throws when the text was altered, sealed with another key, or sealed for another purpose. */
  unseal(sealed: string, purpose: string): string
  /** 32 bytes that only the holder of the key file can compute. */
  sign(text: string): Buffer
}

const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
const version = 1

/** Opens the key file, made with mode 0600 when it is new. Rejects when the file is not a key. */
export async function openSealer(file: string): Promise<Sealer> {
  const key = (await readKey(file)) ?? writeKey(file)
  if (key.length !== keyBytes)
    throw new Error(`The key file ${file} must hold ${keyBytes} bytes; it holds ${key.length}.`)
  return createSealer(key)
}

/** @param key 32 bytes */
export function createSealer(key: Uint8Array): Sealer {
  const sealing = derive(key, 'seal')
  const signing = derive(key, 'sign')
  return {
    seal(text, purpose) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', sealing, nonce).setAAD(Buffer.from(purpose))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return Buffer.concat([Buffer.of(version), nonce, cipher.getAuthTag(), body]).toString('base64')
    },
    unseal(sealed, purpose) {
      const bytes = Buffer.from(sealed, 'base64')
      if (bytes[0] !== version || bytes.length < 1 + nonceBytes + tagBytes)
        throw new Error(`A sealed value of ${purpose} has an unknown form.`)
      const nonce = bytes.subarray(1, 1 + nonceBytes)
      const tag = bytes.subarray(1 + nonceBytes, 1 + nonceBytes + tagBytes)
      const decipher = createDecipheriv('aes-256-gcm', sealing, nonce, { authTagLength: tagBytes })
        .setAAD(Buffer.from(purpose))
        .setAuthTag(tag)
      const body = bytes.subarray(1 + nonceBytes + tagBytes)
      return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8')
    },
    sign: (text) => createHmac('sha256', signing).update(text).digest(),
  }
}

const derive = (key: Uint8Array, use: string) =>
  Buffer.from(hkdfSync('sha256', key, new Uint8Array(0), `busbar/${use}`, keyBytes))

async function readKey(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function writeKey(file: string): Buffer {
  const key = randomBytes(keyBytes)
  replaceFile(file, key, 0o600)
  return key
}
