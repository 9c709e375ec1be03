/** The topics of every world: whole events in the one, only their data in the other. */
export const topics = { orders: 'orders', metrics: 'metrics' } as const;

/** The sources by which events come to them over HTTP. */
export const sources = { orders: 'shop', metrics: 'meters', hooks: 'hooks' } as const;

/** The schedule of every world; its name is also the subject of its events. */
export const schedule = 'tick';

/** The CloudEvents source of what comes by Event Grid; no route takes another. */
export const stores = '/stores';
