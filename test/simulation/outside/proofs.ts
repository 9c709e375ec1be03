import type { HttpAnswer, HttpRequest } from '../../../src/shared/http.ts';
import { type Instance, operatorName } from '../platform/instance.ts';
import { subscriptionNames } from '../subscriptions.ts';
import { createChance } from '../world/chance.ts';
import type { World } from '../world/world.ts';
import type { Course } from './course.ts';
import type { EndpointsModel, Sent } from './endpoints.ts';
import { clientPair, endpointToken } from './secrets.ts';

/** How the bridge proves itself to an endpoint, and whether it asks first. */
export interface ProofPlan {
  /** The life of its tokens in seconds, which it gets by client credentials; undefined: it needs none. */
  readonly tokenSeconds: number | undefined;
  /** How many deliveries a minute the receiver consents to; undefined: it is not asked. */
  readonly consent: { readonly perMinute: number | '*' } | undefined;
}

/** Issuers of tokens, and the doors of receivers that ask for them and want to be asked. */
export interface ProofsModel {
  /** Asks for a token. */
  serveIssuer(subscription: string, request: HttpRequest): Course;
  /** Asks for consent. */
  serveDoor(subscription: string, request: HttpRequest, caller: Instance): Course;
  /** What a receiver answers to a token that does not serve; undefined: it serves. */
  refusalOf(subscription: string, request: HttpRequest): HttpAnswer | undefined;
  /** Looks at what is delivered. */
  watch(endpoints: EndpointsModel): void;
}

/** The name by which the bridge asks for consent. */
export const bridgeOrigin = 'bridge.test';
/** Where the tokens of all endpoints come from, each by its own name. */
export const issuerHost = 'issuer.test';

/** Receivers tell of a token that has ended only so often: no attempt may lose two. */
const revokedAgainMs = 60_000;
/** An issuer that is well takes no longer. */
const renewedWithinMs = 500;
const slowMsMax = 30_000;
const legMsMax = 20;

interface Issued {
  readonly subscription: string;
  readonly endsMs: number;
  revoked: boolean;
}

/** How each subscription of a plan proves itself; most need not. */
export function planProofs(seed: number): Readonly<Record<string, ProofPlan>> {
  const proofs = subscriptionNames.map((name) => {
    const chance = createChance(seed, `proof of ${name}`);
    const tokenSeconds = chance.oneOf([20, 60, 3_600]);
    const perMinute = chance.oneOf(['*', 60, 120, 600] as const);
    return [
      name,
      {
        tokenSeconds: chance.happens(0.12) ? tokenSeconds : undefined,
        consent: chance.happens(0.12) ? { perMinute } : undefined,
      },
    ];
  });
  return Object.fromEntries(proofs);
}

/** Makes the token issuer, and the receivers as far as they give consent, of a world. */
export function createProofs(world: World): ProofsModel {
  const chance = world.chance('proofs');
  const tokens = new Map<string, Issued>();
  const rejectedMs = new Map<string, number>();
  /** What receivers have consented to, by subscription and instance. */
  const consents = new Map<string, number | '*'>();
  /** By what each delivery was proven last. */
  const proven = new Map<string, string | undefined>();
  /** Deliveries whose token was rejected. */
  const rejected = new Set<string>();
  /** Deliveries that may leave at once, and when that was so. */
  const savings = new Map<string, { readonly deliveries: number; readonly atMs: number }>();
  const proofOf = (subscription: string) => world.plan.proofs[subscription];
  const legMs = () => chance.integer(1, legMsMax);

  function answered(handle: () => HttpAnswer, slowMs = 0): Course {
    return { kind: 'answered', arrivesAfterMs: legMs(), answersAfterMs: legMs() + slowMs, handle };
  }

  function issue(subscription: string): HttpAnswer {
    const { tokenSeconds = 0 } = proofOf(subscription) ?? {};
    const token = endpointToken(subscription, tokens.size + 1);
    tokens.set(token, { subscription, endsMs: world.nowMs() + tokenSeconds * 1_000, revoked: false });
    world.note('issuer', () => `issues ${token} for ${tokenSeconds} s`);
    return json(200, { access_token: token, token_type: 'Bearer', expires_in: tokenSeconds });
  }

  /** Counts deliveries as they leave. One that is answered 401 and comes again with another token counts once. */
  function sawSent({ subscription, caller, request }: Sent): void {
    const { consent } = proofOf(subscription) ?? {};
    if (consent === undefined) return;
    const name = `${subscription} ${caller.name}`;
    const perMinute = consents.get(name);
    if (perMinute === undefined) world.violated('nothing is delivered without consent', name);
    if (perMinute === undefined || perMinute === '*') return;
    if (rejected.delete(`${name} ${request.headers['webhook-id']}`)) return;
    const nowMs = world.nowMs();
    const most = savedMax(perMinute);
    const { deliveries, atMs } = savings.get(name) ?? { deliveries: most, atMs: nowMs };
    const saved = Math.min(most, deliveries + ((nowMs - atMs) * perMinute) / 60_000) - 1;
    savings.set(name, { deliveries: saved, atMs: nowMs });
    if (saved < 0) world.violated('limits are kept', `${name} sends faster than ${perMinute} a minute`);
  }

  /** What is answered 401 comes again at once with another token, unless its caller cannot get one. */
  function sawToken({ subscription, caller, request, status, lastsMs }: Sent): void {
    const { authorization } = request.headers;
    const name = `${subscription} ${caller.name} ${request.headers['webhook-id']}`;
    proven.set(name, authorization);
    const isDue = status === 401 && request.timeoutMs - lastsMs >= renewedWithinMs;
    const { faults } = world.plan;
    if (!isDue || faults['issuer fails'] !== undefined || faults['issuer is slow'] !== undefined) return;
    const sentMs = world.nowMs();
    world.after(lastsMs + renewedWithinMs, () => {
      if (!caller.alive || caller.frozen || Math.max(caller.thawedMs, caller.setMs) >= sentMs) return;
      if (proven.get(name) === authorization) world.violated('a rejected token is renewed', name);
    });
  }

  const model: ProofsModel = {
    serveIssuer(subscription, { headers, body }) {
      if (headers.authorization !== `Basic ${clientPair}` || body !== 'grant_type=client_credentials') {
        world.violated('the bridge proves itself', `${subscription} asks for a token as somebody else`);
      }
      if (world.strikes('issuer fails')) {
        return chance.oneOf<Course>([
          { kind: 'refused', arrivesAfterMs: legMs() },
          { kind: 'stalls', arrivesAfterMs: legMs(), handle: () => undefined },
          answered(() => json(503, { error: 'temporarily_unavailable' })),
          answered(() => json(400, { error: 'invalid_client', error_description: headers.authorization })),
          answered(() => ({ status: 200, headers: {}, body: '<html>' })),
        ]);
      }
      const slowMs = world.strikes('issuer is slow') ? chance.integer(100, slowMsMax) : 0;
      return answered(() => issue(subscription), slowMs);
    },

    serveDoor(subscription, request, caller) {
      if (request.headers['webhook-request-origin'] !== bridgeOrigin) {
        world.violated('the bridge proves itself', `${subscription} is asked for consent by nobody`);
      }
      const refusal = model.refusalOf(subscription, request);
      if (refusal !== undefined) return answered(() => refusal);
      if (world.strikes('receiver withholds consent')) {
        return chance.oneOf<Course>([
          { kind: 'stalls', arrivesAfterMs: legMs(), handle: () => undefined },
          answered(() => json(200, {})),
          answered(() => json(503, {})),
          answered(() => ({ ...json(200, {}), headers: { 'webhook-allowed-origin': 'somebody.test' } })),
        ]);
      }
      const perMinute = proofOf(subscription)?.consent?.perMinute ?? '*';
      const allowed = chance.oneOf([bridgeOrigin, '*']);
      const rate = perMinute === '*' && chance.happens(0.5) ? {} : { 'webhook-allowed-rate': `${perMinute}` };
      return answered(() => {
        consents.set(`${subscription} ${caller.name}`, perMinute);
        world.note(subscription, () => `consents to ${perMinute} a minute (${caller.name})`);
        return { ...json(200, {}), headers: { 'webhook-allowed-origin': allowed, ...rate } };
      });
    },

    refusalOf(subscription, { headers }) {
      const token = headers.authorization?.split(' ')[1] ?? '';
      if (proofOf(subscription)?.tokenSeconds === undefined) {
        if (token !== '') world.violated('the bridge proves itself', `${subscription} gets a token unasked`);
        return undefined;
      }
      const issued = tokens.get(token);
      if (issued?.subscription !== subscription) {
        world.violated('the bridge proves itself', `${subscription} gets "${headers.authorization}"`);
        return undefined;
      }
      const nowMs = world.nowMs();
      const isSpared = nowMs < (rejectedMs.get(subscription) ?? Number.NEGATIVE_INFINITY) + revokedAgainMs;
      if (!isSpared && world.strikes('token is revoked')) issued.revoked = true;
      if (!issued.revoked && nowMs < issued.endsMs) return undefined;
      rejectedMs.set(subscription, nowMs);
      world.note(subscription, () => `rejects ${token}`);
      return json(401, { error: 'invalid_token', error_description: token });
    },

    watch(endpoints) {
      endpoints.onSent((sent) => {
        sawSent(sent);
        if (!sent.caller.name.startsWith(operatorName)) sawToken(sent);
      });
      endpoints.onArrival(({ subscription, caller, request, status }) => {
        if (status === 401) rejected.add(`${subscription} ${caller.name} ${request.headers['webhook-id']}`);
      });
    },
  };
  return model;
}

/** A second's worth may be saved up; one delivery finds out what the rate is, and one may probe. */
function savedMax(perMinute: number): number {
  return Math.max(1, perMinute / 60) + 2;
}

function json(status: number, body: object): HttpAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
