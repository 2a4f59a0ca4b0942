import { eventSource, eventTypes } from './event-source.ts'

const run = {
  experimentId: '0fa9dfaa-cba3-4fa7-b590-23e48548f5c1',
  experimentName: 'automl-local-regression',
  runId: 'AutoML_ad912b2d-6467-4f32-a616-dbe4af6dd8fc_5',
  runType: null,
  runTags: {},
  runProperties: { runTemplate: 'automl_child', iteration: '5', run_algorithm: 'LassoLars' },
}

const runSubject = [
  'experiments/{experiment}/runs/{run}',
  'experiments/0fa9dfaa-cba3-4fa7-b590-23e48548f5c1/runs/AutoML_ad912b2d-6467-4f32-a616-dbe4af6dd8fc_5',
] as const

const tags = { area: 'diabetes', type: 'regression' }

/** Source: learn.microsoft.com/azure/event-grid/event-schema-machine-learning */
export const machineLearningServices = eventSource({
  service: 'machine-learning-services',
  provider: 'Microsoft.MachineLearningServices',
  displayName: 'Azure Machine Learning',
  description: 'Azure Machine Learning workspace events.',
  resourceType: 'Microsoft.MachineLearningServices/workspaces',
  eventTypes: eventTypes(
    'Microsoft.MachineLearningServices',
    { dataVersion: '', subject: runSubject },
    {
      ModelRegistered: {
        description: 'Raised when a new model or model version has been successfully registered.',
        subject: ['models/{model}:{version}', 'models/sklearn_regression_model:20'],
      },
      ModelDeployed: {
        description: 'Raised when models have been successfully deployed to an endpoint.',
        subject: ['endpoints/{service}', 'endpoints/my-sklearn-service'],
      },
      RunCompleted: 'Raised when a run has been successfully completed.',
      RunStatusChanged: 'Raised when a run status changes.',
      DatasetDriftDetected: {
        description: 'Raised when a dataset drift monitor detects drift.',
        subject: [
          'datadrifts/{data drift}/runs/{run}',
          'datadrifts/01d29aa4-e6a4-470a-9ef3-66660d21f8ef/runs/01d29aa4-e6a4-470a-9ef3-66660d21f8ef_1571590300380',
        ],
      },
    },
  ),
  documented: {
    examples: {
      ModelRegistered: {
        modelName: 'sklearn_regression_model',
        modelVersion: '20',
        modelTags: tags,
        modelProperties: { type: 'test' },
      },
      ModelDeployed: {
        serviceName: 'my-sklearn-service',
        serviceComputeType: 'ACI',
        modelIds: 'sklearn_regression_model:1,sklearn_regression_model:2',
        serviceTags: tags,
        serviceProperties: { type: 'test' },
      },
      RunCompleted: run,
      RunStatusChanged: { ...run, runStatus: 'failed' },
      DatasetDriftDetected: {
        dataDriftId: '01d29aa4-e6a4-470a-9ef3-66660d21f8ef',
        dataDriftName: 'myDriftMonitor',
        runId: '01d29aa4-e6a4-470a-9ef3-66660d21f8ef_1571590300380',
        baseDatasetId: '3c56d136-0f64-4657-a0e8-5162089a88a3',
        targetDatasetId: 'd7e74d2e-c972-4266-b5fb-6c9c182d2a74',
        driftCoefficient: 0.8350349068479208,
        startTime: '2019-07-04T00:00:00+00:00',
        endTime: '2019-07-05T00:00:00+00:00',
      },
    },
    corrections: {
      MachineLearningServicesRunCompletedEventData: { optional: ['runType'] },
      MachineLearningServicesRunStatusChangedEventData: { optional: ['runType'] },
      // The sample has a number, the table a string.
      MachineLearningServicesModelRegisteredEventData: { types: { modelVersion: ['string', 'number'] } },
    },
  },
})
