import { templateFunction } from '../language/template-function.ts'

/*
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-deployment
 */

export const deploymentFunctions = [
  templateFunction('deployment', 0, (args) => args.environment.deployment.describe(), [
    ['deployment().name', 'exampleDeployment'],
  ]),
  templateFunction('environment', 0, (args) => args.environment.surroundings.environment, [
    ['environment().name', 'ExampleCloud'],
  ]),
  templateFunction('parameters', 1, (args) => args.environment.names.parameter(args.string(0)), [
    ["parameters('EXAMPLE')", 'parameter value'],
  ]),
  templateFunction('variables', 1, (args) => args.environment.names.variable(args.string(0)), [
    ["variables('example')", { member: 'variable value' }],
  ]),
] as const
