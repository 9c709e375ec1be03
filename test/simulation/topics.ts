/** The topics of every world: whole events in the one, only their data in the other. */
export const topics = { orders: 'orders', metrics: 'metrics' } as const;

/** The sources by which events come to them. */
export const sources = { orders: 'shop', metrics: 'meters' } as const;
