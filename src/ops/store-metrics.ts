import type { Metrics } from '../base/metrics.ts'
import type { Queues, Streams } from '../store/store.ts'

/** Adds what the store has to say of its queues and streams. */
export function watchStore(
  metrics: Metrics,
  queues: Pick<Queues, 'stat'>,
  streams: Pick<Streams, 'stat'>,
): void {
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
  metrics.gauge('busbar_streams', 'Streams of messages that are open.', () => streams.stat().streams)
  metrics.gauge('busbar_stream_bytes', 'Streams on disk.', () => streams.stat().bytes)
  metrics.gauge('busbar_stream_segments', 'Segments of streams.', () => streams.stat().segments)
  metrics.counterOf('busbar_stream_commits_total', 'Syncs of streams.', () => streams.stat().commits)
  metrics.counterOf(
    'busbar_stream_appends_total',
    'Messages appended to streams.',
    () => streams.stat().appends,
  )
  metrics.counterOf(
    'busbar_stream_written_bytes_total',
    'Bytes written to streams.',
    () => streams.stat().writtenBytes,
  )
  metrics.counterOf(
    'busbar_stream_crowded_out_total',
    'Messages that have gone from streams for want of room, before their time.',
    () => streams.stat().crowdedOut,
  )
}
