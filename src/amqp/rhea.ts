export type Rhea = typeof import('rhea')

/**
 * Loaded when first needed: a server to which nobody speaks AMQP, and which speaks it to nobody, starts without it. Its
 * types name every export; at run time, being CommonJS, it has a default one alone.
 */
export async function loadRhea(): Promise<Rhea> {
  const loaded = (await import('rhea')) as unknown as { readonly default: Rhea }
  return loaded.default
}
