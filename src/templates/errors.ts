import { RequestError } from '../base/errors.ts'

/*
 * What is wrong with a template or its parameters, in Resource Manager's codes and, where they are known, words.
 * No message shows a parameter's value: it may be a secret.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-invalid-template
 */

/** @param target path in the template, such as `resources[0].properties.endpoint` */
export const invalidTemplate = (message: string, target?: string, cause?: unknown) =>
  refusal('InvalidTemplate', `Deployment template validation failed: '${message}'`, target, cause)

/** An expression that cannot be evaluated, at a place of the template that the message names. */
export const invalidExpression = (message: string, target: string, cause: unknown) =>
  refusal('InvalidTemplate', message, target, cause)

export const circularDependency = (ids: readonly string[]) =>
  refusal(
    'InvalidTemplateCircularDependency',
    `Deployment template validation failed: 'Circular dependency detected on resource: '${ids[0]}' (${ids.join(' -> ')}). Please see https://aka.ms/arm-syntax-resources for usage details.'`,
    ids[0],
  )

/** What Azure would fetch from elsewhere, and this server does not. */
export const invalidContentLink = (path: string, what: string) =>
  refusal('InvalidContentLink', `${what} at '${path}' is not supported by this version of Busbar.`, path)

export const invalidOutputs = (message: string, target: string, cause: unknown) =>
  refusal('DeploymentOutputEvaluationFailed', message, target, cause)

/** @param line counted from 1 @param column counted from 1 */
export const unreadableText = (what: string, line: number, column: number) =>
  refusal(
    'InvalidRequestContent',
    `The request content was invalid and could not be deserialized: '${what} Line ${line}, column ${column}.'.`,
  )

function refusal(code: string, message: string, target?: string, cause?: unknown): RequestError {
  return new RequestError(400, code, message, {
    ...(target === undefined ? {} : { target }),
    ...(cause === undefined ? {} : { cause }),
  })
}

/**
 * Why an expression has no value. Knows nothing of where the expression stands; whoever does catches it and
 * throws a refusal that says so.
 */
export class ExpressionFault extends Error {}

/** The value depends on what is not there yet: a deployed resource, or a secret that must not be shown. */
export class NotYetKnown extends Error {}
