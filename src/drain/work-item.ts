import { z } from 'zod';

const schema = z.object({ subscription: z.string(), topic: z.string(), partition: z.int().min(0) });

/** A partition that has something to do; plain, so that it can travel in a message. */
export type WorkItem = Readonly<z.infer<typeof schema>>;

/** Reads the message of a queue; undefined when it is no {@link WorkItem}. */
export function readWorkItem(message: unknown): WorkItem | undefined {
  return schema.safeParse(message).data;
}
