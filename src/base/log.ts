import { type Logger, pino } from 'pino'

export type Log = Logger
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'

/**
 * Structured log lines on stderr, one JSON object each; stdout is kept for what a command answers.
 * Lines about single events are written at `debug`: at `info` nothing is logged per event.
 */
export function createLog(level: LogLevel): Log {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, messageKey: 'message' },
    pino.destination({ dest: 2, sync: false }),
  )
}
