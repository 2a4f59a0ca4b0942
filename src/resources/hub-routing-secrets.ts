/** Where an endpoint is, as GET prints it. */
export interface DecodedPlace {
  /** With its keys masked. */
  readonly connectionString?: string
  readonly endpointUri?: string
  readonly entityPath?: string
  /** Of what the configuration says how to reach. */
  readonly resourceId?: string
}

const mask = '****'
const secretPart = /((?:^|;)\s*(?:SharedAccessKey|AccountKey|SharedAccessSignature)\s*=)[^;]*/gi

/** As Azure shows them: everything but keys. */
export const maskedConnectionString = (text: string): string => text.replace(secretPart, `$1${mask}`)

/** Whether a key in it is masked. */
export const masks = (text: string): boolean => /=\*+(?:;|$)/.test(text)
