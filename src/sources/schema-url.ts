/** Where the event schema store shows an event type; its door and ARM's event types say the same. */
export const schemaPath = '/schemas'

/** @param base without a trailing slash */
export const schemaUrl = (base: string, eventType: string): string => `${base}${schemaPath}/${eventType}.json`
