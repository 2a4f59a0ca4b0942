import { randomBytes, randomUUID } from 'node:crypto'

/** A new version 4 UUID, lower case with dashes. */
export const newGuid = (): string => randomUUID()

/** A new access key: 32 random bytes as base64 (44 characters), the form that `listKeys` answers with. */
export const newAccessKey = (): string => randomBytes(32).toString('base64')
