import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endsWithFolded, equalsFolded, includesFolded, startsWithFolded } from './text.ts'

const texts = [
  '',
  'a',
  'A',
  'aB',
  'Ab/Ab',
  'abABab',
  '@[`{',
  'ÄÖ',
  'äö',
  'xÄ',
  'İstanbul',
  'K', // The Kelvin sign, whose lower case is an ASCII k.
  'straße',
  '🚀A',
  'Ab'.repeat(200),
]

test('every comparison answers as it would on lower-case copies', () => {
  for (const text of texts)
    for (const part of texts) {
      const [lowerText, folded] = [text.toLowerCase(), part.toLowerCase()]
      const words = `'${text}' and '${part}'`
      assert.equal(equalsFolded(text, folded), lowerText === folded, words)
      assert.equal(startsWithFolded(text, folded), lowerText.startsWith(folded), words)
      assert.equal(endsWithFolded(text, folded), lowerText.endsWith(folded), words)
      assert.equal(includesFolded(text, folded), lowerText.includes(folded), words)
    }
})
