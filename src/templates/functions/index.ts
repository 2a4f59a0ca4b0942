import type { FunctionLookup } from '../language/environment.ts'
import type { TemplateFunction } from '../language/template-function.ts'
import { arrayFunctions } from './arrays.ts'
import { dateFunctions } from './dates.ts'
import { deploymentFunctions } from './deployment.ts'
import { lambdaFunctions } from './lambdas.ts'
import { logicFunctions } from './logic.ts'
import { numberFunctions } from './numbers.ts'
import { objectFunctions } from './objects.ts'
import { resourceFunctions } from './resources.ts'
import { stringFunctions } from './strings.ts'

/** Every function of the template language. To add one: write it in the file of its kind, or in a file of its own. */
export const templateFunctions: readonly TemplateFunction[] = [
  ...arrayFunctions,
  ...dateFunctions,
  ...deploymentFunctions,
  ...lambdaFunctions,
  ...logicFunctions,
  ...numberFunctions,
  ...objectFunctions,
  ...resourceFunctions,
  ...stringFunctions,
]

const exact = new Map(templateFunctions.map((each) => [each.name.toLowerCase(), each]))
const open = templateFunctions.filter(({ name }) => name.endsWith('*'))

/** Functions by name, in any letter case; `listKeys` and its like are one function. */
export const functionLookup: FunctionLookup = {
  names: templateFunctions.map(({ name }) => name.replace('*', '')),
  find(name) {
    const lower = name.toLowerCase()
    return exact.get(lower) ?? open.find((each) => lower.startsWith(each.name.slice(0, -1)))
  },
}
