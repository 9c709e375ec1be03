import type { HttpSend } from '../../shared/http.ts';
import { type ApiKeyAuth, apiKey } from './api-key.ts';
import { type BasicAuth, basic } from './basic.ts';
import { type GithubAuth, github } from './github.ts';
import { type HmacAuth, hmac } from './hmac.ts';
import { type JwtAuth, jwt } from './jwt.ts';
import { type Provider, verified } from './provider.ts';
import { type ShopifyAuth, shopify } from './shopify.ts';
import { type SlackAuth, slack } from './slack.ts';
import { type StandardWebhooksAuth, standardWebhooks } from './standard-webhooks.ts';
import { type StripeAuth, stripe } from './stripe.ts';
import { type TwilioAuth, twilio } from './twilio.ts';

/** How a source's webhooks prove where they come from. `none` takes anything, and must be written out. */
export type SourceAuth =
  | GithubAuth
  | StripeAuth
  | SlackAuth
  | StandardWebhooksAuth
  | ShopifyAuth
  | TwilioAuth
  | HmacAuth
  | ApiKeyAuth
  | BasicAuth
  | JwtAuth
  | { readonly kind: 'none' };

/** Makes the provider of a kind; it keeps the keys that it reads through `send`, so make it once a source. */
export function createProvider(auth: SourceAuth, send: HttpSend): Provider {
  switch (auth.kind) {
    case 'github':
      return github(auth);
    case 'stripe':
      return stripe(auth);
    case 'slack':
      return slack(auth);
    case 'standardWebhooks':
      return standardWebhooks(auth);
    case 'shopify':
      return shopify(auth);
    case 'twilio':
      return twilio(auth);
    case 'hmac':
      return hmac(auth);
    case 'apiKey':
      return apiKey(auth);
    case 'basic':
      return basic(auth);
    case 'jwt':
      return jwt(auth, send);
    case 'none':
      return { verify: async () => verified, scheme: 'Signature' };
  }
}
