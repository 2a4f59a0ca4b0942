import { eventSource, eventTypes } from './event-source.ts'

const prefix = 'Microsoft.ContainerRegistry'

const image = (action: string) => ({
  id: '31c51664-e5bd-416a-a5df-e5206bc47ed0',
  timestamp: '2018-04-25T21:39:47.276585742Z',
  action,
  location: 'westus',
  target: {
    mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
    size: 3023,
    digest: 'sha256:213bbc182920ab41e18edc2001e06abcca6735d87782d9cef68abd83941cf0e5',
    length: 3023,
    repository: 'aci-helloworld',
    url: 'https://contoso.azurecr.io/v2/aci-helloworld/manifests/sha256:213bbc182920ab41e18edc2001e06abcca6735d87782d9cef68abd83941cf0e5',
    tag: 'v1',
  },
  request: {
    id: '7c66f28b-de19-40a4-821c-6f5f6c0003a4',
    host: 'contoso.azurecr.io',
    method: action === 'push' ? 'PUT' : 'DELETE',
    useragent: 'docker/18.03.0-ce go/go1.9.4 git-commit/0520e24 os/windows arch/amd64',
  },
})

const chart = (action: string) => ({
  id: 'ea3a9c28-5b17-40f6-a500-3f02b6829277',
  timestamp: '2019-03-05T22:16:31.5164086Z',
  action,
  location: 'westus',
  target: {
    mediaType: 'application/vnd.acr.helm.chart',
    size: 25265,
    digest: 'sha256:7f060075264b5ba7c14c23672698152ae6a3ebac1c47916e4efe19cd624d5fab',
    repository: 'repo',
    tag: 'wordpress-5.4.0.tgz',
    name: 'wordpress',
    version: '5.4.0',
  },
})

const actor = { optional: ['name'] }

/** Source: learn.microsoft.com/azure/event-grid/event-schema-container-registry */
export const containerRegistry = eventSource({
  service: 'container-registry',
  provider: prefix,
  displayName: 'Azure Container Registry',
  description: 'Azure Container Registry service events.',
  resourceType: 'Microsoft.ContainerRegistry/registries',
  eventTypes: [
    ...eventTypes(
      prefix,
      { dataVersion: '1.0', subject: ['{repository}:{tag}', 'aci-helloworld:v1'] },
      {
        ImagePushed: 'Raised when an image is pushed.',
        ImageDeleted: 'Raised when an image is deleted.',
      },
    ),
    ...eventTypes(
      prefix,
      { dataVersion: '1.0', subject: ['{chart}', 'wordpress'] },
      {
        ChartPushed: 'Raised when a Helm chart is pushed.',
        ChartDeleted: 'Raised when a Helm chart is deleted.',
      },
    ),
  ],
  documented: {
    examples: {
      ImagePushed: image('push'),
      ImageDeleted: image('delete'),
      ChartPushed: chart('chart_push'),
      ChartDeleted: chart('chart_delete'),
    },
    // Not every action has each of them; a deletion by digest has no tag.
    corrections: {
      ContainerRegistryImagePushedEventData: { optional: ['location'] },
      ContainerRegistryImageDeletedEventData: { optional: ['location'] },
      ContainerRegistryChartPushedEventData: { optional: ['location'] },
      ContainerRegistryChartDeletedEventData: { optional: ['location'] },
      ContainerRegistryEventTarget: { optional: ['size', 'length', 'url', 'tag'] },
      ContainerRegistryArtifactEventTarget: { optional: ['size', 'tag', 'version'] },
      ContainerRegistryEventRequest: { optional: ['addr', 'useragent'] },
      ContainerRegistryEventActor: actor,
      ContainerRegistryEventConnectedRegistry: actor,
    },
  },
})
