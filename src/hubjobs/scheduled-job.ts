import type { EpochMs } from '../base/clock.ts'
import { encodeMoment } from '../base/moment.ts'
import type { MethodAnswer, MethodCall } from '../hubmessage/method.ts'
import { compileQuery } from '../hubquery/query.ts'
import { QueryError } from '../hubquery/tokens.ts'
import { HubError, invalid } from '../registry/errors.ts'
import { decodeTwinChange } from '../registry/identity.ts'
import { checkSection, type TwinChange } from '../registry/twin.ts'
import { isObject, type WireObject } from '../wire/shape.ts'

/*
 * A job that changes the twins of many devices, or calls a method on them.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-jobs
 */

export type JobWork =
  | { readonly type: 'scheduleUpdateTwin'; readonly change: TwinChange }
  | { readonly type: 'scheduleDeviceMethod'; readonly call: MethodCall }

export type JobType = JobWork['type']

export interface StoredJob {
  readonly id: string
  readonly work: JobWork
  readonly queryCondition: string
  readonly createdAt: EpochMs
  /** Not before. */
  readonly startAt: EpochMs
  readonly maxSeconds: number
  readonly status: 'scheduled' | 'running' | 'completed' | 'failed' | 'cancelled'
  readonly startedAt?: EpochMs
  readonly endedAt?: EpochMs
  readonly failureReason?: string
  /** Whether it is known which devices it is about; until then, up to which device that was asked. */
  readonly isSelected: boolean
  readonly selectedTo?: string
  readonly devices: number
  readonly succeeded: number
  readonly failed: number
}

/** What became of a job on one device. */
export interface StoredDeviceJob {
  readonly deviceId: string
  readonly jobId: string
  readonly status: 'pending' | 'completed' | 'failed'
  readonly createdAt: EpochMs
  readonly startedAt?: EpochMs
  readonly changedAt: EpochMs
  readonly answer?: MethodAnswer
  readonly error?: { readonly code: string; readonly description: string }
}

export interface JobRequest {
  readonly work: JobWork
  readonly queryCondition: string
  /** Undefined: now. */
  readonly startAt: EpochMs | undefined
  readonly maxSeconds: number
}

const ids = /^[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}$/
const conditionLength = 8_000
const maxSecondsDefault = 3_600
/** As long as jobs are kept. */
const maxSecondsMost = 30 * 24 * 3_600

export function checkJobId(id: string): string {
  if (ids.test(id)) return id
  throw invalid('jobId', "1 to 128 letters, digits and characters of - : . + % _ # * ? ! ( ) , = @ ; $ '", id)
}

export function decodeJob(
  body: unknown,
  jobId: string,
  decodeMethodCall: (body: unknown) => MethodCall,
): JobRequest {
  if (!isObject(body)) throw invalid('The body', 'an object', body)
  if (body.jobId != null && body.jobId !== jobId)
    throw invalid('jobId', `'${jobId}', as in the path`, body.jobId)
  const { queryCondition = '*', maxExecutionTimeInSeconds: seconds = maxSecondsDefault } = body
  if (typeof queryCondition !== 'string' || queryCondition.length > conditionLength)
    throw invalid('queryCondition', `a string of at most ${conditionLength} characters`, queryCondition)
  compileJobCondition(queryCondition)
  const most = seconds === null || seconds === 0 ? maxSecondsDefault : seconds
  if (typeof most !== 'number' || !Number.isInteger(most) || most < 1 || most > maxSecondsMost)
    throw invalid('maxExecutionTimeInSeconds', `1 to ${maxSecondsMost} whole seconds`, most)
  return {
    work: decodeWork(body, decodeMethodCall),
    queryCondition,
    startAt: decodeStart(body.startTime),
    maxSeconds: most,
  }
}

function decodeWork(body: WireObject, decodeMethodCall: (body: unknown) => MethodCall): JobWork {
  const { updateTwin, cloudToDeviceMethod } = body
  switch (decodeJobType(body.type)) {
    case 'scheduleDeviceMethod':
      return { type: 'scheduleDeviceMethod', call: decodeMethodCall(cloudToDeviceMethod) }
    case 'scheduleUpdateTwin': {
      if (!isObject(updateTwin)) throw invalid('updateTwin', 'an object', updateTwin)
      const { etag = '*' } = updateTwin
      if (etag !== null && etag !== '*' && etag !== '"*"' && etag !== '')
        throw invalid('updateTwin.etag', "'*': a job changes twins whatever their version", etag)
      const change = decodeTwinChange(updateTwin, checkSection)
      if (!change.tags && !change.desired)
        throw invalid('updateTwin', 'tags or properties.desired', Object.keys(updateTwin))
      return { type: 'scheduleUpdateTwin', change }
    }
  }
}

/** In the query language the type of twin updates has been written in both ways. */
export function decodeJobType(type: unknown): JobType {
  const lower = typeof type === 'string' ? type.toLowerCase() : ''
  if (lower === 'scheduleupdatetwin' || lower === 'scheduletwinupdate') return 'scheduleUpdateTwin'
  if (lower === 'scheduledevicemethod') return 'scheduleDeviceMethod'
  throw invalid('The type of a job', 'scheduleUpdateTwin or scheduleDeviceMethod', type)
}

function decodeStart(value: unknown): EpochMs | undefined {
  if (value == null || value === '') return undefined
  const moment = typeof value === 'string' ? Date.parse(value) : Number.NaN
  if (Number.isNaN(moment)) throw invalid('startTime', 'a moment in ISO 8601', value)
  return moment
}

/** A star, and nothing at all, stand for every device. */
export function compileJobCondition(condition: string): (twin: object) => boolean {
  const where = condition.trim()
  if (where === '' || where === '*') return () => true
  try {
    const query = compileQuery(`SELECT * FROM devices WHERE ${where}`)
    return (twin) => query.matches(twin)
  } catch (error) {
    if (error instanceof QueryError) throw new HubError('ArgumentInvalid', `queryCondition: ${error.message}`)
    throw error
  }
}

const isEnded = ({ status }: StoredJob) => status !== 'scheduled' && status !== 'running'

/** @param running devices that it is just being done on */
export function encodeJob(job: StoredJob, running: number, isQueued: boolean): WireObject {
  const { work } = job
  const left = job.devices - job.succeeded - job.failed
  const moment = (at: EpochMs) => new Date(at).toISOString()
  return {
    jobId: job.id,
    queryCondition: job.queryCondition,
    createdTime: moment(job.createdAt),
    startTime: moment(job.startAt),
    ...(job.endedAt !== undefined && { endTime: moment(job.endedAt) }),
    maxExecutionTimeInSeconds: job.maxSeconds,
    type: work.type,
    ...(work.type === 'scheduleDeviceMethod'
      ? { cloudToDeviceMethod: encodeCall(work.call) }
      : { updateTwin: encodeChange(work.change) }),
    status: isQueued ? 'queued' : job.status,
    ...(job.failureReason !== undefined && { failureReason: job.failureReason }),
    deviceJobStatistics: {
      deviceCount: job.devices,
      failedCount: job.failed + (job.status === 'failed' ? left : 0),
      succeededCount: job.succeeded,
      runningCount: isEnded(job) ? 0 : running,
      pendingCount: isEnded(job) ? 0 : left - running,
    },
  }
}

const encodeCall = ({ method, payload, responseMs, connectMs }: MethodCall): WireObject => ({
  methodName: method,
  payload,
  responseTimeoutInSeconds: responseMs / 1_000,
  connectTimeoutInSeconds: connectMs / 1_000,
})

const encodeChange = ({ tags, desired }: TwinChange): WireObject => ({
  etag: '*',
  ...(tags && { tags }),
  ...(desired && { properties: { desired } }),
})

/**
 * What `devices.jobs` holds of a device. What was left when a job ended is not written again: it follows from the job.
 *
 * Source: learn.microsoft.com/azure/iot-hub/query-jobs
 */
export function encodeDeviceJob(device: StoredDeviceJob, job: StoredJob, isRunning: boolean): WireObject {
  const { deviceId, jobId, answer, error, startedAt, changedAt } = device
  const isLeft = device.status === 'pending' && isEnded(job)
  const left = job.status === 'cancelled' ? 'canceled' : 'failed'
  const open = isRunning ? 'running' : job.status === 'scheduled' ? 'scheduled' : 'pending'
  const endedAt = isLeft ? job.endedAt : device.status === 'pending' ? undefined : changedAt
  const reason =
    isLeft && left === 'failed' ? { code: 'JobRunPreconditionFailed', description: job.failureReason } : error
  return {
    deviceId,
    jobId,
    jobType: job.work.type,
    status: isLeft ? left : device.status === 'pending' ? open : device.status,
    startTimeUtc: encodeMoment(startedAt ?? job.startedAt ?? job.startAt),
    ...(endedAt !== undefined && { endTimeUtc: encodeMoment(endedAt) }),
    createdDateTimeUtc: encodeMoment(device.createdAt),
    lastUpdatedDateTimeUtc: encodeMoment(endedAt ?? changedAt),
    outcome: { deviceMethodResponse: answer ?? null },
    ...(reason && { error: reason }),
  }
}
