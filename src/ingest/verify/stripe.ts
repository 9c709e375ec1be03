import type { Secret } from '../../shared/secret.ts';
import { type Provider, refused, type Verify, verified } from './provider.ts';
import { prefixed, textAt, timestampOf } from './reading.ts';
import { createHmacCheck, isWithinWindow, textKeys } from './signature.ts';

/** `sources.<name>.auth` of kind `stripe`. */
export interface StripeAuth {
  readonly kind: 'stripe';
  readonly toleranceSeconds: number;
  readonly secrets: readonly Secret[];
}

/** Stripe (docs.stripe.com/webhooks, "Verify webhook signatures manually"). */
export function stripe(auth: StripeAuth): Provider {
  return {
    verify: verifyStripe(auth),
    describe: ({ data }) => ({
      id: textAt(data, 'id'),
      type: prefixed('com.stripe.', textAt(data, 'type')),
      time: timestampOf(textAt(data, 'created')),
      subject: textAt(data, 'data', 'object', 'id'),
    }),
    scheme: 'Signature',
  };
}

/** `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>]`; other schemes, such as the fake `v0`, are passed over. */
function verifyStripe({ secrets, toleranceSeconds }: StripeAuth): Verify {
  // The whole secret is the key, `whsec_` included.
  const matches = createHmacCheck({ algorithm: 'sha256', encoding: 'hex', keys: textKeys(secrets) });
  return async (request, nowMs) => {
    const parts = request.header('stripe-signature')?.split(',') ?? [];
    const valuesOf = (name: string) =>
      parts.filter((part) => part.startsWith(`${name}=`)).map((part) => part.slice(name.length + 1));
    const [signedAt] = valuesOf('t');
    const signatures = valuesOf('v1');
    if (signedAt === undefined || signatures.length === 0) return refused.signatureMissing;
    if (!isWithinWindow(signedAt, toleranceSeconds, nowMs)) return refused.outsideWindow;
    return matches(signatures, [`${signedAt}.`, request.body]) ? verified : refused.signatureMismatch;
  };
}
