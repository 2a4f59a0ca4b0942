import { proved, type Section } from '../rule.ts'

const door = 'src/pull/door.test.ts'
const whole = 'test/namespace-topics.test.ts'
const letters = 'test/namespace-dead-letters.test.ts'
const model = 'bench/torture/pull/model.test.ts'

export const namespaceTopics: Section = {
  title: 'Namespace topics: publish and pull delivery',
  source: 'learn.microsoft.com/azure/event-grid/pull-delivery-overview',
  rules: [
    proved(
      'The official JavaScript client `@azure/eventgrid-namespaces` publishes, receives, acknowledges, releases, rejects and renews, over HTTP and HTTPS',
      [whole, 'the official client publishes, receives and settles over'],
      [whole, 'what the official client sends by default comes back unchanged'],
    ),
    proved(
      'Events are published one by one, in batches and in binary mode; data that is not JSON comes back as `data_base64`, extension attributes stay',
      [door, 'an event is received as it was published, with a token and its delivery count'],
      [door, 'binary data comes back as data_base64 with its content type and extensions, JSON as data'],
    ),
    proved(
      'A batch is taken whole or not at all; what is no CloudEvent is refused with 400, what does not say what it is with 415, what is too large with 413',
      [door, 'events that are not as they must be are refused, with all that came with them'],
      [door, 'content types that say of no event what it is are answered 415'],
      [door, 'too many events and too many bytes are answered 413'],
    ),
    {
      rule: 'An event has data, names of extension attributes have at most 20 characters, `ce-datacontenttype` is not sent, and each request has an `api-version`',
      status: 'differs',
      note: 'asked of publishers in the strict profile (`--profile strict`, or the tag of the namespace); the open one takes what CloudEvents 1.0 allows, and means the newest version',
      provedBy: [
        [door, 'an event without data is taken, but not in the strict profile'],
        [
          door,
          'without an api-version the newest is meant, unless the profile is strict; unknown ones are refused',
        ],
      ],
    },
    proved(
      'Receive answers with what there is, up to `maxEvents`, in the order of publishing; where there is nothing it waits for `maxWaitTime`, and is woken by the first event',
      [
        door,
        'as many events as there are come at once, up to the number asked for, in the order of publishing',
      ],
      [door, 'nothing to receive is answered with an empty list when the wait is over'],
      [
        whole,
        'a receiver is woken by the event, and told when the event subscription or the topic is deleted',
      ],
    ),
    proved(
      'Each event is locked for one of the receivers that compete; one that goes away while it waits locks nothing',
      [door, 'receivers are served in the order in which they came, each with what is there'],
      [door, 'a receiver that goes away while it waits locks nothing'],
    ),
    proved(
      'An acknowledged event is gone; acknowledging twice is answered 200 with `TokenLost`, `Token has expired.`',
      [door, 'an acknowledged event is gone, and its token is lost from then on'],
      [whole, 'acknowledging twice is answered 200 with the lost token'],
    ),
    proved(
      'A released event comes again, at once or after 10, 60, 600 or 3,600 seconds, and its delivery count grows',
      [door, 'a released event comes again at once, counted once more, and its old token is lost'],
      [door, 'an event released with a delay is kept back for as long: 10, 60, 600 or 3600 seconds'],
    ),
    proved(
      'A lock ends after `receiveLockDurationInSeconds`; renewed, it lasts for as long from then on, under the same token',
      [door, 'a lock ends after its duration: then another receiver has the event, and the token is lost'],
      [door, 'a renewed lock lasts for its duration from then on, under the same token'],
    ),
    proved(
      'An event that is rejected, or delivered `maxDeliveryCount` times, or older than `eventTimeToLive`, is dead-lettered to a storage blob, or dropped',
      [door, 'a rejected event is given up, and never comes again'],
      [door, 'an event is given up when its time to live is over, a locked one when its lock ends'],
      [letters, 'a rejected event is dead-lettered, also when the server stops right after the answer'],
      [
        letters,
        'an event that was received too often without being settled is dead-lettered, with its last delivery',
      ],
    ),
    proved(
      'Each token of a request has its own result, in the order of the request; preview versions write failures in flat members',
      [door, 'the answer to tokens keeps their order and says what is wrong with each'],
      [door, 'preview versions tell of a failed token in flat members'],
      [door, 'a thousand tokens are taken in one request, and one more is refused'],
    ),
    proved(
      'Keys of the namespace and of the topic, signatures made with them, and Microsoft Entra tokens let in; `disableLocalAuth` leaves the tokens alone',
      [door, 'keys of the namespace and of the topic are good in every place where clients put them'],
      [door, 'a signature is good for what lies below the URL that was signed, and for no more'],
      [door, 'a bearer needs the right to send or to receive, on the event subscription or above it'],
      [whole, 'tokens of a principal that signed in are good for what its roles let it do'],
    ),
    proved('`publicNetworkAccess`, `inboundIpRules` and `minimumTlsVersionAllowed` are judged first', [
      door,
      'the network rules of the namespace are judged before the credential',
    ]),
    {
      rule: 'What is beyond the throughput units of the namespace is refused with 429',
      status: 'differs',
      note: 'in the strict profile, with `Retry-After`; the open one takes it and counts it in `busbar_throughput_exceeded_total`',
      provedBy: [
        [
          door,
          'the strict profile refuses what is beyond the throughput units with 429 and Retry-After, the open one counts',
        ],
      ],
    },
    proved('Filters of the event subscription say which events it queues', [
      whole,
      'filters say which events an event subscription queues',
    ]),
    proved(
      'What was answered holds after a crash: published events, locks with their tokens, delivery counts, and acknowledgements',
      [whole, 'locks hold over a restart: their tokens are good, and nobody else has their events'],
      [model, 'pull delivery does what the model says, over restarts too'],
    ),
  ],
}
