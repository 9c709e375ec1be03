import type { DeliverySettings } from '../delivery/deliver.ts';
import { urlTemplateProblem } from '../events/url-template.ts';
import { createAddressGuard } from '../shared/address-guard.ts';
import { OperateError } from './problem.ts';

/**
 * How a subscription would deliver to another URL: in the same form, signed with the same secrets, to no private
 * address that it may not reach itself. Headers and proof of identity are for its own endpoint: they may hold
 * secrets, and are left out.
 *
 * @throws {OperateError} `refused-target` where nothing may be sent to the URL.
 */
export function replaySettings(settings: DeliverySettings, url: string): DeliverySettings {
  const { allowHttp, allowPrivate } = settings.endpoint;
  const refused =
    urlTemplateProblem(url) ?? createAddressGuard({ allowHttp, allowList: allowPrivate }).checkUrl(url);
  if (refused !== undefined) throw new OperateError('refused-target', refused);
  return {
    ...settings,
    endpoint: { ...settings.endpoint, url, headers: {}, auth: { kind: 'none' }, handshake: false },
  };
}
