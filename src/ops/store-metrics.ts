import type { Metrics } from '../base/metrics.ts'
import type { Queues } from '../store/store.ts'

/** Adds what the store has to say of its queues. */
export function watchStore(metrics: Metrics, queues: Pick<Queues, 'stat'>): void {
  metrics.gauge('busbar_queues', 'Queues that exist.', () => queues.stat().queues)
  metrics.gauge('busbar_queue_entries', 'Entries waiting, leased or postponed.', () => queues.stat().entries)
  metrics.gauge('busbar_journal_bytes', 'Journal on disk.', () => queues.stat().journalBytes)
  metrics.gauge('busbar_journal_segments', 'Segments of the journal.', () => queues.stat().segments)
  metrics.counterOf('busbar_journal_commits_total', 'Syncs of the journal.', () => queues.stat().commits)
  metrics.counterOf('busbar_journal_appends_total', 'Events appended.', () => queues.stat().appends)
  metrics.counterOf(
    'busbar_journal_written_bytes_total',
    'Bytes written to the journal.',
    () => queues.stat().writtenBytes,
  )
}
