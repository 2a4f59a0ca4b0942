/** A query or a template that cannot be read: what was expected where, and what is there. */
export class SyntaxFault extends Error {
  /** In characters, from 1. */
  readonly position: number
  readonly expected: string

  constructor(position: number, expected: string, got: string) {
    super(`expected ${expected} at character ${position}, got ${got}`)
    this.name = 'SyntaxFault'
    this.position = position
    this.expected = expected
  }
}
