/**
 * How much one template may ask for. The counts are Azure's; the others keep a template from exhausting the
 * server, and lie far above what a template that a person wrote needs.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/best-practices, "Template limits"
 */
export const templateLimits = {
  /** The text of a template or of a request that holds one. */
  textCharacters: 4 * 1024 * 1024,
  expressionCharacters: 24_576,
  parameters: 256,
  variables: 256,
  resources: 800,
  outputs: 64,
  /** Iterations of one `copy`. */
  copies: 800,
  /** Templates nested in one another, and in one deployment altogether. */
  nestedTemplateDepth: 8,
  nestedTemplates: 500,
  /** Objects and arrays in one another, in a template's text or in a value. */
  nesting: 100,
  /** Calls and accesses in one another in an expression; user functions that call one another. */
  expressionDepth: 100,
  /** The same, through variables, user functions and lambdas. */
  evaluationDepth: 600,
  /** What is evaluated for one plan, one resource or all outputs: calls, and what they make. */
  steps: 2_000_000,
  stringCharacters: 1024 * 1024,
  arrayItems: 10_000,
  /** Everything in one value: its characters and members, those of what it holds included. */
  valueSize: 4 * 1024 * 1024,
  /** Times that what an evaluation asked of the deployed resources leads it to ask for more. */
  runtimeRounds: 64,
} as const
