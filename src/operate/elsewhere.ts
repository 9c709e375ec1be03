import type { DeliverySettings } from '../delivery/deliver.ts';
import { urlTemplateProblem } from '../events/url-template.ts';
import { createAddressGuard } from '../shared/address-guard.ts';

/**
 * How a subscription would deliver to another URL: in the same form, signed with the same secrets, to no private
 * address that it may not reach itself. Headers and proof of identity are for its own endpoint: they may hold
 * secrets, and are left out. Where nothing may be sent to the URL: why.
 */
export function settingsElsewhere(
  settings: DeliverySettings,
  url: string,
): DeliverySettings | { readonly refused: string } {
  const { allowHttp, allowPrivate } = settings.endpoint;
  const refused =
    urlTemplateProblem(url) ?? createAddressGuard({ allowHttp, allowList: allowPrivate }).checkUrl(url);
  if (refused !== undefined) return { refused };
  return {
    ...settings,
    endpoint: { ...settings.endpoint, url, headers: {}, auth: { kind: 'none' }, handshake: false },
  };
}
