import type { Secret } from '../../shared/secret.ts';
import { verifyHmac } from './hmac.ts';
import type { Provider } from './provider.ts';
import { prefixed } from './reading.ts';

/** `sources.<name>.auth` of kind `shopify`. */
export interface ShopifyAuth {
  readonly kind: 'shopify';
  readonly secrets: readonly Secret[];
}

/** Shopify (shopify.dev, "Verify webhook deliveries"). It signs no time, so there is no replay window. */
export function shopify({ secrets }: ShopifyAuth): Provider {
  return {
    verify: verifyHmac({
      header: 'x-shopify-hmac-sha256',
      algorithm: 'sha256',
      encoding: 'base64',
      prefix: '',
      signed: '{body}',
      secrets,
    }),
    describe: ({ header }) => ({
      id: header('x-shopify-webhook-id'),
      type: prefixed('com.shopify.', header('x-shopify-topic')?.replaceAll('/', '.')),
      time: header('x-shopify-triggered-at'),
      subject: header('x-shopify-shop-domain'),
    }),
    scheme: 'Signature',
  };
}
