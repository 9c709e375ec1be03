/**
 * Every kind of misfortune, with the highest rate at which a plan uses it: a probability each time it could strike,
 * or, for those marked `a minute`, how often it happens in a minute of virtual time.
 */
export const faultRatesMax = {
  /** Of function instances, each time they call something outside. */
  'instance dies': 0.01,
  'instance freezes': 0.015,
  /** Of function instances, a minute. */
  'clock is set': 1,
  /** Of function instances, each start. */
  'instance is configured anew': 0.5,
  /** Of timers. */
  'timer doubles': 0.3,
  'timer lapses': 0.3,
  'schedule doubles': 0.3,
  'schedule lapses': 0.3,
  /** Of the proxy, each call. */
  'proxy refuses connections': 0.15,
  'proxy answers 5xx': 0.15,
  'proxy throttles': 0.1,
  'proxy forgets tokens': 0.05,
  'proxy stalls': 0.05,
  'proxy loses answers': 0.1,
  'proxy is slow': 0.1,
  'proxy fails single records': 0.05,
  'proxy gives an empty page': 0.1,
  'proxy begins a page early': 0.2,
  'proxy points beyond the end': 0.1,
  'proxy shows stale metadata': 0.4,
  /** For one record that is too large. */
  'proxy refuses whole calls': 1,
  /** Of the log; the last five a minute. */
  'log leaves offsets out': 0.1,
  'log moves its retention': 6,
  'topic is made anew': 1,
  'topic is away': 2,
  'topic grows': 1,
  'proxy is away': 1,
  /** Of Table Storage, each call; the last a minute. */
  'tables throttle': 0.05,
  'tables lose answers': 0.05,
  'tables answer a repetition': 0.05,
  'tables are slow': 0.05,
  'tables are away': 0.6,
  /** Of queue messages. */
  'message doubles': 0.3,
  'message is late': 0.3,
  'message comes back': 0.2,
  'message is poisoned': 0.1,
  /** Of endpoints, each call; the last a minute. */
  'endpoint answers 5xx': 0.2,
  'endpoint answers 4xx': 0.05,
  'endpoint redirects': 0.05,
  'endpoint throttles': 0.1,
  'endpoint is gone': 0.01,
  'endpoint stalls': 0.05,
  'endpoint resets': 0.1,
  'endpoint loses answers': 0.05,
  'endpoint is slow': 0.1,
  'endpoint is away': 1,
  /** Of who proves the bridge to endpoints, each call. */
  'issuer fails': 0.3,
  'issuer is slow': 0.2,
  'token is revoked': 0.1,
  'receiver withholds consent': 0.4,
  /** Of operators, a minute. */
  'operator pauses': 0.5,
  'operator seeks': 0.3,
  'operator redrives': 0.5,
  /** Of those who write to topics by other ways than the bridge, a minute. */
  'stranger writes': 5,
  /** Of events. */
  'event is never produced': 0.2,
  'event is never taken': 0.1,
  'event is large': 0.04,
  'event fits no route': 0.1,
} as const;

/** Misfortune that only comes with situations, so that it leaves all other plans as they are. */
export type FaultOfSituations =
  /** Of the proxy, each call. */
  | 'proxy revokes a token'
  | 'proxy forbids'
  | 'proxy hides failures'
  /** Of who gives tokens for the proxy, each time one is asked for. */
  | 'authority fails'
  /** Of Table Storage, each write: it takes effect after its caller has given it up. */
  | 'tables write late'
  /** Of Table Storage, each write of a checkpoint: its answer takes much of a lease. */
  | 'tables renew slowly'
  /** Of endpoints, a minute. */
  | 'endpoint bars the way'
  /** Of operators, at each probe, each loss that halts, each claim of a checkpoint, each redrive. */
  | 'operator stops a probe'
  | 'operator resumes a loss'
  | 'operator seeks in a walk'
  | 'operators redrive at once'
  /** Of operators, a minute. */
  | 'operator seeks far'
  | 'operator discards'
  | 'operator replays'
  | 'operator redrives the way in';

/** A kind of fault that chance puts into any plan; see the table above. */
export type PlannedFault = keyof typeof faultRatesMax;

/** A kind of fault that can strike. */
export type Fault = PlannedFault | FaultOfSituations;

/** All kinds that chance puts into plans, in the order of the table. */
export const faults = Object.keys(faultRatesMax) as readonly PlannedFault[];
