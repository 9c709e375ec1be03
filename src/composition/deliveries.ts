import type { SubscriptionConfig } from '../config/subscriptions.ts';
import { createDelivery, type DeliverySettings, type OpenDelivery } from '../delivery/deliver.ts';
import { SluiceError } from '../shared/error.ts';
import type { Surroundings } from './surroundings.ts';

/** The ways to endpoints. */
export interface Deliveries {
  /** Opens a way of its own to an endpoint. @throws {SluiceError} when the transform does not compile. */
  readonly open: (settings: DeliverySettings) => Promise<OpenDelivery>;
  /** The configured subscriptions, by name. */
  readonly subscriptions: ReadonlyMap<string, OpenSubscription>;
}

/** A subscription's configuration, and its way to the endpoint. */
export interface OpenSubscription {
  readonly settings: SubscriptionConfig;
  readonly delivery: OpenDelivery;
}

/**
 * Opens the ways to the endpoints of all subscriptions as the app starts, so that a transform which does not compile
 * shows then.
 *
 * @throws {SluiceError} naming the subscription whose transform does not compile.
 */
export async function composeDeliveries(surroundings: Surroundings): Promise<Deliveries> {
  const { acquireWith, clock, config, openPool, random } = surroundings;
  const open = (settings: DeliverySettings) =>
    createDelivery({
      settings,
      clock,
      random,
      openPool,
      acquireIdentity: ({ scope, clientId }) => acquireWith({ kind: 'managedIdentity', clientId }, scope),
    });
  const subscriptions = new Map<string, OpenSubscription>();
  for (const [name, settings] of Object.entries(config.subscriptions)) {
    try {
      subscriptions.set(name, { settings, delivery: await open(settings) });
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
  return { open, subscriptions };
}
