import assert from 'node:assert/strict'
import { proved, type Rule, type Section } from '../rule.ts'
import { assertRefused, gridEvent } from '../world.ts'

/** Publishing from this machine, which has the address 127.0.0.1. */
const fromHere = (rule: string, ipMask: string, isLetIn: boolean): Rule => ({
  rule,
  async check(_t, world) {
    const topic = await world.topic({ inboundIpRules: [{ ipMask, action: 'Allow' }] })
    const answer = await world.send(topic, [gridEvent()])
    if (isLetIn) assert.equal(answer.status, 200, answer.text)
    else assertRefused(answer, 403, 'Forbidden', 'Forbidden')
  },
})

export const access: Section = {
  title: 'Who may publish',
  source:
    'learn.microsoft.com/azure/event-grid/authenticate-with-microsoft-entra-id, configure-firewall, secure-webhook-delivery',
  rules: [
    proved(
      'A Microsoft Entra token opens a topic while its principal has the role EventGrid Data Sender there or above',
      [
        'test/entra.test.ts',
        'a principal publishes once a role assignment lets it, and no longer once that is removed',
      ],
    ),
    proved(
      '`ClientSecretCredential` and `ClientCertificateCredential` of `@azure/identity` 4.14.1 sign in at Busbar',
      ['test/entra-administration.test.ts', 'a principal signs in with its certificate'],
    ),
    proved('Tokens of configured outside issuers open topics too', [
      'test/entra-administration.test.ts',
      'a publisher of another issuer sends once a role is assigned to it, or to a group of its',
    ]),
    proved('A token without the permission is refused with 401', [
      'test/entra.test.ts',
      'an owner may not publish, and neither may the sender of another topic',
    ]),
    {
      rule: 'With `disableLocalAuth` keys and SAS tokens are refused with 401',
      async check(_t, world) {
        const topic = await world.topic({ disableLocalAuth: true })
        assertRefused(await world.send(topic, [gridEvent()]), 401, 'Unauthorized', 'Unauthorized')
      },
    },
    proved('Role assignments and definitions as `@azure/arm-authorization` 9.0.0 asks for them', [
      'test/entra.test.ts',
      'role definitions and assignments are listed as the official client asks for them',
    ]),
    fromHere('`inboundIpRules` let in the addresses that they name', '127.0.0.0/8', true),
    fromHere('`inboundIpRules` keep out every other address, with 403', '10.0.0.0/8', false),
    proved('A resource has at most 128 IP rules', ['src/arm/refusals.test.ts', 'inboundIpRules']),
    {
      rule: '`minimumTlsVersionAllowed`: 1.2 is the least of every listener',
      status: 'differs',
      note: 'publishing without TLS, which a loopback bind allows, is refused with 403 where it is set; 1.0 and 1.1 are refused when the resource is written',
      provedBy: [
        ['test/network-rules.test.ts', 'with a minimum TLS version nothing is taken over a plain connection'],
      ],
    },
    proved(
      'A webhook protected by Microsoft Entra ID gets a token that it can verify, at its handshake too',
      [
        'test/entra.test.ts',
        'a webhook that Entra ID protects is sent a token that it can verify, at its handshake too',
      ],
    ),
  ],
}
