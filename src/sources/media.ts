import { eventSource, eventTypes } from './event-source.ts'

const prefix = 'Microsoft.Media'
const job = [
  'transforms/{transform}/jobs/{job}',
  'transforms/VideoAnalyzerTransform/jobs/job-5AB6DE32',
] as const
const live = ['liveEvent/{live event}', 'liveEvent/MyLiveEvent1'] as const

const correlation = { testKey1: 'testValue1', testKey2: 'testValue2' }

const output = (state: string, progress: number) => ({
  '@odata.type': '#Microsoft.Media.JobOutputAsset',
  assetName: 'output-7640689F',
  error: null,
  label: 'VideoAnalyzerPreset_0',
  progress,
  state,
})

const change = (previousState: string, state: string) => ({
  previousState,
  state,
  correlationData: correlation,
})
const final = (state: string) => ({ outputs: [output(state, 100)], ...change('Processing', state) })
const outputChange = (previousState: string, state: string, progress: number) => ({
  previousState,
  output: output(state, progress),
  jobCorrelationData: correlation,
})

/** Media Services were retired in 2024; its events are here for those who keep handling them. */
export const media = eventSource({
  service: 'media',
  topicType: 'Microsoft.Media.MediaServices',
  provider: prefix,
  displayName: 'Microsoft Azure Media Services',
  description: 'Microsoft Azure Media Services events.',
  resourceType: 'Microsoft.Media/mediaservices',
  eventTypes: [
    ...eventTypes(
      prefix,
      { dataVersion: '1.0', subject: job },
      {
        JobStateChange: 'Get an event for all job state changes.',
        JobScheduled: 'Get an event when a job transitions to the scheduled state.',
        JobProcessing: 'Get an event when a job transitions to the processing state.',
        JobCanceling: 'Get an event when a job transitions to the canceling state.',
        JobFinished: 'Get an event when a job transitions to the finished state.',
        JobCanceled: 'Get an event when a job transitions to the canceled state.',
        JobErrored: 'Get an event when a job transitions to the error state.',
        JobOutputStateChange: 'Get an event for all job output state changes.',
        JobOutputScheduled: 'Get an event when a job output transitions to the scheduled state.',
        JobOutputProcessing: 'Get an event when a job output transitions to the processing state.',
        JobOutputCanceling: 'Get an event when a job output transitions to the canceling state.',
        JobOutputFinished: 'Get an event when a job output transitions to the finished state.',
        JobOutputCanceled: 'Get an event when a job output transitions to the canceled state.',
        JobOutputErrored: 'Get an event when a job output transitions to the error state.',
        JobOutputProgress: 'Reflects the progress of a job output, from 0% to 100%.',
      },
    ),
    ...eventTypes(
      prefix,
      { dataVersion: '1.0', subject: live },
      {
        LiveEventConnectionRejected: "An encoder's connection attempt is rejected.",
        LiveEventEncoderConnected: 'An encoder establishes a connection with a live event.',
        LiveEventEncoderDisconnected: 'An encoder disconnects.',
        LiveEventIncomingDataChunkDropped:
          'The media server drops a data chunk because it is too late or overlaps another.',
        LiveEventIncomingStreamReceived:
          'The media server receives the first data chunk for each track in the stream or connection.',
        LiveEventIncomingStreamsOutOfSync:
          'The media server detects that audio and video streams are out of sync.',
        LiveEventIncomingVideoStreamsOutOfSync:
          'The media server detects that two video streams of an external encoder are out of sync.',
        LiveEventIngestHeartbeat: 'Published every 20 seconds for each track when a live event is running.',
        LiveEventTrackDiscontinuityDetected:
          'The media server detects a discontinuity in the incoming track.',
        LiveEventChannelArchiveHeartbeat:
          'Published every 20 seconds with the latency of the archive of a live event.',
      },
    ),
  ],
  documented: {
    examples: {
      JobStateChange: { previousState: 'Processing', state: 'Finished' },
      JobScheduled: change('Queued', 'Scheduled'),
      JobProcessing: change('Scheduled', 'Processing'),
      JobCanceling: change('Processing', 'Canceling'),
      JobFinished: final('Finished'),
      JobCanceled: final('Canceled'),
      JobErrored: final('Error'),
      JobOutputStateChange: outputChange('Processing', 'Finished', 100),
      JobOutputScheduled: outputChange('Queued', 'Scheduled', 0),
      JobOutputProcessing: outputChange('Scheduled', 'Processing', 0),
      JobOutputCanceling: outputChange('Processing', 'Canceling', 83),
      JobOutputFinished: outputChange('Processing', 'Finished', 100),
      JobOutputCanceled: outputChange('Canceling', 'Canceled', 83),
      JobOutputErrored: outputChange('Processing', 'Error', 83),
      JobOutputProgress: {
        label: 'VideoAnalyzerPreset_0',
        progress: 86,
        jobCorrelationData: correlation,
      },
    },
    samples: {
      ingestUrl: 'http://abc.ingest.isml',
      streamId: 'Mystream1',
      encoderIp: '203.0.113.7',
      encoderPort: '52859',
      resultCode: 'MPE_INGEST_CODEC_NOT_SUPPORTED',
      trackType: 'video',
      trackName: 'video',
      bitrate: 300000,
      incomingBitrate: 300726,
      timescale: '10000000',
      timestamp: '15336837655032322',
      lastTimestamp: '15336837655032322',
      lastFragmentArrivalTime: '2021-05-14T23:50:00.324',
      ingestDriftValue: '0',
      duration: '20000000',
      minLastTimestamp: '319996',
      typeOfStreamWithMinLastTimestamp: 'Audio',
      maxLastTimestamp: '366000',
      typeOfStreamWithMaxLastTimestamp: 'Video',
      timescaleOfMinLastTimestamp: '10000000',
      timescaleOfMaxLastTimestamp: '10000000',
      firstTimestamp: '2162058216',
      firstDuration: '2000',
      secondTimestamp: '2162057216',
      secondDuration: '2000',
      transcriptionLanguage: 'en-US',
      transcriptionState: 'On',
      overlapCount: 0,
      discontinuityCount: 0,
      nonincreasingCount: 0,
      unexpectedBitrate: false,
      state: 'Healthy',
      healthy: true,
      previousTimestamp: '1230000',
      newTimestamp: '1247500',
      discontinuityGap: '17500',
      channelLatencyMs: '10',
      latencyResultCode: 'S_OK',
    },
    corrections: {
      // Older samples have the port as a number.
      ...Object.fromEntries(
        [...['ConnectionRejected', 'EncoderConnected', 'EncoderDisconnected', 'IncomingStreamReceived']].map(
          (name) => [`MediaLiveEvent${name}EventData`, { types: { encoderPort: ['string', 'number'] } }],
        ),
      ),
      MediaLiveEventIngestHeartbeatEventData: {
        optional: [
          'transcriptionLanguage',
          'transcriptionState',
          'ingestDriftValue',
          'lastFragmentArrivalTime',
        ],
      },
    },
  },
})
