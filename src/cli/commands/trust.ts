import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { OperatorError } from '../../base/operator-error.ts'
import { readOptions } from '../../config.ts'
import { type AddCommand, flagValues, settingOption } from './command.ts'

export const trust: AddCommand = (program) => {
  program
    .command('trust')
    .description('Print, per client, the line that makes it trust the local certificate authority.')
    .helpOption('-h, --help', 'print this help')
    .addOption(settingOption('dataDir'))
    .addOption(settingOption('config'))
    .addHelpText('after', '\nThe authority is made when the server starts for the first time.')
    .action(async (found: Record<string, string>) => {
      const { dataDir } = await readOptions({ flags: flagValues(found), env: process.env })
      const caFile = join(dataDir, 'certificates', 'ca.pem')
      if (!existsSync(caFile))
        throw new OperatorError(`There is no ${caFile} yet: it is made by the first "busbar start".`)
      process.stdout.write(`${trustLines(caFile).join('\n')}\n`)
    })
}

/** One line a client, to be pasted into the shell in which the client is started. */
function trustLines(caFile: string): readonly string[] {
  const file = /^[\w./:@+-]+$/.test(caFile) ? caFile : `'${caFile.replaceAll("'", "'\\''")}'`
  const lines = {
    'Node, Azure SDKs for JavaScript': `export NODE_EXTRA_CA_CERTS=${file}`,
    'Python requests, Azure SDKs for Python': `export REQUESTS_CA_BUNDLE=${file}`,
    az: `export REQUESTS_CA_BUNDLE=${file}`,
    '.NET on Linux': `export SSL_CERT_FILE=${file}`,
    '.NET on macOS': `security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db ${file}`,
    '.NET on Windows': `Import-Certificate -CertStoreLocation Cert:\\CurrentUser\\Root -FilePath ${file}`,
    'Go, Terraform, Rust (OpenSSL)': `export SSL_CERT_FILE=${file}`,
    curl: `export CURL_CA_BUNDLE=${file}`,
  }
  const width = Math.max(...Object.keys(lines).map((client) => client.length))
  return Object.entries(lines).map(([client, line]) => `${client.padEnd(width)}  ${line}`)
}
