import { eventSource, eventTypes } from './event-source.ts'

const prefix = 'Microsoft.HealthcareApis'
const account = 'contoso.fhir.azurehealthcareapis.com'
const patient = 'e0a1f743-1a70-451f-830e-e96477163902'
const series = 'studies/1.2.3.4.3/series/1.2.3.4.3.9423673'
const image = '1.3.6.1.4.1.45096.2.296485376.2210.1633373143.864442'

const fhir = (resourceVersionId: number) => ({
  resourceType: 'Patient',
  resourceFhirAccount: account,
  resourceFhirId: patient,
  resourceVersionId,
})

const dicom = (sequenceNumber: number) => ({
  imageStudyInstanceUid: '1.2.3.4.3',
  imageSeriesInstanceUid: '1.2.3.4.3.9423673',
  imageSopInstanceUid: image,
  serviceHostName: 'contoso.dicom.azurehealthcareapis.com',
  sequenceNumber,
})

/** Source: learn.microsoft.com/azure/event-grid/event-schema-azure-health-data-services */
export const healthcareApis = eventSource({
  service: 'healthcare-apis',
  provider: prefix,
  displayName: 'Azure Health Data Services',
  description: 'Azure Health Data Services events.',
  resourceType: 'Microsoft.HealthcareApis/workspaces',
  eventTypes: [
    ...eventTypes(
      prefix,
      {
        dataVersion: '1',
        subject: [
          '{account}.fhir.azurehealthcareapis.com/{resource type}/{id}',
          `${account}/Patient/${patient}`,
        ],
      },
      // The data version is the version of the FHIR resource.
      {
        FhirResourceCreated: 'Emitted after a FHIR resource is created successfully.',
        FhirResourceUpdated: {
          description: 'Emitted after a FHIR resource is updated successfully.',
          dataVersion: '2',
        },
        FhirResourceDeleted: {
          description: 'Emitted after a FHIR resource is soft deleted successfully.',
          dataVersion: '3',
        },
      },
    ),
    ...eventTypes(
      prefix,
      {
        dataVersion: '1',
        subject: [
          '{account}.dicom.azurehealthcareapis.com/v1/studies/{study}/series/{series}/instances/{instance}',
          `contoso.dicom.azurehealthcareapis.com/v1/${series}/instances/${image}`,
        ],
      },
      {
        DicomImageCreated: 'Emitted after a DICOM image is created successfully.',
        DicomImageUpdated: {
          description: 'Emitted after a DICOM image is updated successfully.',
          subject: [
            '{account}.dicom.azurehealthcareapis.com/v1/partitions/{partition}/studies/{study}/series/{series}/instances/{instance}',
            `contoso.dicom.azurehealthcareapis.com/v1/partitions/Microsoft.Default/${series}/instances/${image}`,
          ],
        },
        DicomImageDeleted: 'Emitted after a DICOM image is deleted successfully.',
      },
    ),
  ],
  documented: {
    examples: {
      FhirResourceCreated: fhir(1),
      FhirResourceUpdated: fhir(2),
      FhirResourceDeleted: fhir(3),
      DicomImageCreated: dicom(1),
      DicomImageUpdated: { partitionName: 'Microsoft.Default', ...dicom(2) },
      DicomImageDeleted: dicom(2),
    },
    // Absent where the service has no data partitions.
    corrections: {
      HealthcareDicomImageCreatedEventData: { optional: ['partitionName'] },
      HealthcareDicomImageUpdatedEventData: { optional: ['partitionName'] },
      HealthcareDicomImageDeletedEventData: { optional: ['partitionName'] },
    },
  },
})
