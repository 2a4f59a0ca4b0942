import { writeFileSync } from 'node:fs'
import type { Rule } from './rule.ts'
import { sections } from './sections/index.ts'

/*
 * docs/compatibility.md, made from the conformance suite: `npm run compatibility` writes it, and a test fails where
 * it is out of date.
 */

export const documentUrl = new URL('../../docs/compatibility.md', import.meta.url)

const suite = 'test/conformance/conformance.test.ts'

const head = `# Compatibility with Azure Event Grid and Azure IoT Hub

What Busbar does of Azure Event Grid's Basic tier and of Azure IoT Hub, rule by rule. This page is made from the
conformance suite (\`npm run compatibility\`): each row is a test that asks a running server over the wire, in
[${suite}](../${suite}) unless another is named. *Works*: as documented. *Differs*: works, with the difference that
is noted. *Refused*: not done here, and answered with an error that says so instead of being stored and ignored.
`

export function compatibilityDocument(): string {
  return [
    head,
    ...sections.map(
      ({ title, source, rules }) =>
        `## ${title}\n\nSource: ${source}\n\n| rule or operation | status | test |\n| --- | --- | --- |\n${rules
          .map(row)
          .join('\n')}\n`,
    ),
  ].join('\n')
}

function row({ rule, status = 'works', note, check, provedBy = [] }: Rule): string {
  const files = [...(check ? [] : []), ...new Set(provedBy.map(([file]) => file))]
  const tests = check ? ['conformance', ...files.map(link)] : files.map(link)
  return `| ${cell(rule)} | ${status}${note === undefined ? '' : `: ${cell(note)}`} | ${tests.join(', ')} |`
}

const cell = (text: string) => text.replaceAll('|', '\\|')
const link = (file: string) => `[${file}](../${file})`

if (process.argv[1] === import.meta.filename) writeFileSync(documentUrl, compatibilityDocument())
