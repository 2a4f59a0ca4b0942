/** What a link, or a whole connection, is ended with. */
export interface AmqpCondition {
  /** Such as `amqp:not-found`. */
  readonly condition: string
  readonly description: string
}

/** A refusal, in the words of the protocol. */
export class AmqpRefusal extends Error implements AmqpCondition {
  readonly condition: string

  constructor(condition: string, description: string) {
    super(description)
    this.name = 'AmqpRefusal'
    this.condition = condition
  }

  get description(): string {
    return this.message
  }
}

export const conditionOf = ({ condition, description }: AmqpCondition): AmqpCondition => ({
  condition,
  description,
})
