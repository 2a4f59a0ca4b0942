import type { ArmError } from './arm/deployments/errors.ts'
import type { EndedDeployment, OwnDeployment } from './arm/deployments/own-deployment.ts'
import { RequestError } from './base/errors.ts'
import { OperatorError } from './base/operator-error.ts'
import type { TemplateSettings } from './config.ts'
import { deploymentNameOf, isForSubscription, readParameterFile, readTemplateFile } from './template-file.ts'

/*
 * The deployment template that a start is given: what Busbar has to have before it says that it is ready.
 */

/** Applies the template. Rejects with an `OperatorError` that names the file, and the resource that failed. */
export type ApplyTemplate = (
  deploy: (own: OwnDeployment, signal: AbortSignal) => Promise<EndedDeployment>,
  signal: AbortSignal,
) => Promise<void>

/** Reads the files; what is in them is applied when the control plane is there. */
export async function readStartTemplate(settings: TemplateSettings): Promise<ApplyTemplate> {
  const { file, parametersFile, resourceGroup } = settings
  const template = await readTemplateFile(file)
  const parameters = parametersFile === undefined ? {} : await readParameterFile(parametersFile)
  const own: OwnDeployment = {
    name: deploymentNameOf(file),
    template,
    parameters,
    group: isForSubscription(template) ? undefined : resourceGroup,
  }
  return async (deploy, signal) => {
    const { state, error } = await deploy(own, signal).catch((refusal: unknown) => {
      if (!(refusal instanceof RequestError)) throw refusal
      throw notApplied(file, `${refusal.message} (${refusal.code})`, refusal)
    })
    if (state === 'Canceled') throw notApplied(file, 'the server was told to stop.')
    if (state !== 'Succeeded') throw notApplied(file, error ? reasonOf(error) : state)
  }
}

/** The innermost of the first failure, and the resource that it is about. */
function reasonOf(error: ArmError): string {
  let at = error
  let resource = error.target
  for (let inner = at.details?.[0]; inner; inner = inner.details?.[0]) {
    at = inner
    resource = inner.target?.startsWith('/') ? inner.target : resource
  }
  return `${resource === undefined ? '' : `'${resource}': `}${at.message} (${at.code})`
}

const notApplied = (file: string, why: string, cause?: unknown) =>
  new OperatorError(
    `The template ${file} cannot be applied: ${why.replaceAll(/\s*[\r\n]+\s*/g, ' ').trim()}`,
    cause,
  )
