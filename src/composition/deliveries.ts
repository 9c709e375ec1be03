import type { SubscriptionConfig } from '../config/schema.ts';
import { createDelivery, type DeliverySettings, type OpenDelivery } from '../delivery/deliver.ts';
import { acquireWith } from '../kafka-rest/credentials.ts';
import { SluiceError } from '../shared/error.ts';
import { clock, config, random } from './instance.ts';

/** A subscription's configuration, and its way to the endpoint. */
export interface OpenSubscription {
  readonly settings: SubscriptionConfig;
  readonly delivery: OpenDelivery;
}

/** The subscriptions, by name. Opened as the app starts, so that a transform which does not compile shows then. */
export const subscriptions: ReadonlyMap<string, OpenSubscription> = await openAll();

/** Opens a way to an endpoint. @throws {SluiceError} when the transform does not compile. */
export function openDelivery(settings: DeliverySettings): Promise<OpenDelivery> {
  return createDelivery({
    settings,
    clock,
    random,
    acquireIdentity: ({ scope, clientId }) => acquireWith({ kind: 'managedIdentity', clientId }, scope),
  });
}

async function openAll(): Promise<Map<string, OpenSubscription>> {
  const opened = new Map<string, OpenSubscription>();
  for (const [name, settings] of Object.entries(config.subscriptions)) {
    try {
      opened.set(name, { settings, delivery: await openDelivery(settings) });
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      const { code, message } = error;
      throw new SluiceError({
        code,
        message: `subscriptions.${name}: ${message}`,
        retryable: false,
        cause: error,
      });
    }
  }
  return opened;
}
