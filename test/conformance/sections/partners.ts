import { proved, type Section } from '../rule.ts'

const wire = 'test/partners.test.ts'
const arm = 'src/arm/partners.test.ts'

export const partners: Section = {
  title: 'Partner events',
  source: 'learn.microsoft.com/azure/event-grid/partner-events-overview, onboard-partner',
  rules: [
    proved('Routing mode `ChannelNameHeader`: the channel that `aeg-channel-name` names', [
      wire,
      'events go to the partner topic of the channel that the request names, and to no other',
    ]),
    proved('A request that names no channel is refused with 400, an unknown one with 404', [
      wire,
      'a request that names no channel, or one that is not there, is refused',
    ]),
    proved('Routing mode `SourceEventAttribute`: the channel that has the source of the event', [
      wire,
      'events go to the partner topic of the channel that has their source',
    ]),
    proved('A partner topic receives while it is activated', [
      wire,
      'a partner topic gets events while it is activated, and those of other times are wanted by nobody',
    ]),
    proved(
      'A channel to a partner destination makes it; its endpoint is secret, and it waits for activation',
      [arm, 'a channel to a partner destination makes one, whose endpoint is told to nobody but delivery'],
    ),
    proved('Events wait for a partner destination until it is activated', [
      'src/destinations/partner-destination.test.ts',
      'events wait until the partner destination is there, activated, and follow it where it goes',
    ]),
    proved('No partner is verified here: `verifiedPartners` is empty', [arm, 'no partner is verified here']),
  ],
}
