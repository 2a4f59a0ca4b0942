import type { EndedDeployment, OwnDeployment } from './arm/deployments/own-deployment.ts'
import { OperatorError } from './base/operator-error.ts'
import type { Catalog } from './catalog/catalog.ts'

/** Makes namespace `dev` with MQTT in group `dev` where no namespace has MQTT enabled, for clients without credentials. */
export async function makeDevelopmentNamespace(
  namespaces: Catalog['namespaces'],
  deploy: (own: OwnDeployment) => Promise<EndedDeployment>,
): Promise<void> {
  for (const { mqtt } of namespaces.all()) if (mqtt) return
  const { state, error } = await deploy({
    ...{ name: 'mqtt-anonymous', parameters: {}, group: 'dev' },
    template: {
      $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
      contentVersion: '1.0.0.0',
      resources: [
        {
          type: 'Microsoft.EventGrid/namespaces',
          apiVersion: '2025-02-15',
          name: 'dev',
          location: 'westus2',
          properties: { topicSpacesConfiguration: { state: 'Enabled' } },
        },
      ],
    },
  })
  if (state !== 'Succeeded')
    throw new OperatorError(
      `The namespace 'dev' for MQTT without credentials cannot be made: ${error?.message}`,
    )
}
