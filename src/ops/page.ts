/** What the first page says. */
export interface Status {
  readonly version: string
  readonly phase: string
  /** URLs of the open listeners. */
  readonly listeners: readonly string[]
  /** What else is worth knowing, by name: the data directory, counts; empty where strangers may look. */
  readonly facts: Readonly<Record<string, string>>
}

/** The first page, as plain HTML without scripts. */
export function encodePage({ version, phase, listeners, facts }: Status): string {
  const rows = { Version: version, State: phase, Listeners: listeners.join(', '), ...facts }
  const table = Object.entries(rows)
    .map(([name, value]) => `<tr><th>${escape(name)}</th><td>${escape(value)}</td></tr>`)
    .join('\n')
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Busbar</title>
<style>
  :root { color-scheme: light dark }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }
  th { text-align: left; padding-right: 2rem; font-weight: 600; vertical-align: top; white-space: nowrap }
  td { overflow-wrap: anywhere }
  code { font: 0.9em ui-monospace, monospace }
</style>
<h1>Busbar</h1>
<p>Azure Event Grid that you can run anywhere.</p>
<table>
${table}
</table>
<h2>Where to go next</h2>
<ul>
  <li><a href="/healthz">/healthz</a>: whether it is ready</li>
  <li><a href="/metrics">/metrics</a>: Prometheus text</li>
  <li><a href="/ca.pem">/ca.pem</a>: the authority to trust for HTTPS; <code>busbar trust</code> says how</li>
  <li><a href="/schemas">/schemas</a>: the event types of Azure's services; <code>busbar trigger</code> raises one</li>
  <li><code>busbar trace EVENT-ID</code>, or <code>GET /events/EVENT-ID/trace</code>: what became of an event</li>
  <li><code>busbar tail --topic NAME</code>, or <code>GET /events/tail</code>: events as they come</li>
  <li><code>README.md</code> and <code>docs/</code> in the repository: a first delivery, every setting</li>
</ul>
`
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

const escape = (text: string) => text.replaceAll(/[&<>"]/g, (letter) => entities[letter] as string)
