/*
 * Who a peer says it is before AMQP begins. ANONYMOUS, EXTERNAL and MSSBCBS say nothing: what is behind them is proved by
 * a certificate or by tokens put to `$cbs`. PLAIN is a user and a password.
 *
 * Source: OASIS AMQP 1.0, part 5, 5.3; RFC 4616
 */

/** As rhea runs them. */
export interface SaslMechanism {
  outcome: boolean | undefined
  username: string | undefined
  start(response: Buffer | undefined): Promise<void> | void
  step(response: Buffer | undefined): Promise<void> | void
}

export interface SaslOptions {
  /** Whether that user may come; never rejects. */
  readonly signIn: (user: string, password: string) => Promise<boolean>
  /** Hears of the mechanism that the peer has chosen. */
  readonly began: (isIn: Promise<boolean>) => void
}

/** Without a prototype: the peer chooses by name. */
export function saslMechanisms({
  signIn,
  began,
}: SaslOptions): Readonly<Record<string, () => SaslMechanism>> {
  const open = (): SaslMechanism => ({
    outcome: undefined,
    username: undefined,
    start() {
      this.outcome = true
      began(Promise.resolve(true))
    },
    step() {},
  })
  const plain = (): SaslMechanism => ({
    outcome: undefined,
    username: undefined,
    async start(response) {
      const [, user = '', password = '', ...more] = (response ?? Buffer.alloc(0)).toString().split('\0')
      const isIn = more.length === 0 && user !== '' ? signIn(user, password) : Promise.resolve(false)
      began(isIn)
      this.username = user
      this.outcome = await isIn
    },
    step() {},
  })
  return Object.assign(Object.create(null) as Record<string, () => SaslMechanism>, {
    MSSBCBS: open,
    EXTERNAL: open,
    PLAIN: plain,
    ANONYMOUS: open,
  })
}
