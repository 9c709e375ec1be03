import { z } from 'zod';
import { cronField } from './cron.ts';
import { count, duration } from './fields.ts';

/** `ingest`: how records travel to the proxy, and where they wait when it is away. */
export const ingestSchema = z
  .strictObject({
    batch: z
      .strictObject({
        lingerMs: duration(1, 'How long a record waits for others while a call for its topic is under way.'),
        recordsMax: count(500, 10_000, 'Records in one producer call.'),
        bytesMax: count(
          1_048_576,
          16_777_216,
          'Bytes in one producer call; keep it below what the proxy takes.',
        ),
        callsMax: count(6, 64, 'Producer calls under way at once for one topic, on one instance.'),
      })
      .prefault({})
      .describe('Events of concurrent requests for one topic travel in one producer call.'),
    outbox: z
      .strictObject({
        enabled: z.boolean().default(true).describe('False: when the proxy is away the answer is 503.'),
        ordering: z
          .enum(['relaxed', 'strict'])
          .default('relaxed')
          .describe('strict: later records of a topic queue behind those that wait; relaxed: they may pass.'),
        cron: cronField('When flushOutbox runs.').default('*/10 * * * * *'),
        budgetMs: duration(
          60_000,
          'A run of flushOutbox stops in time before this; more than four times proxy.timeoutMs.',
        ),
        leaseMs: duration(
          60_000,
          'How long a topic stays with one run; more than four times proxy.timeoutMs.',
        ),
      })
      .prefault({})
      .describe('Where records wait, durably, while the proxy is away.'),
    handshake: z
      .strictObject({
        allowedOrigins: z
          .union([z.literal('*'), z.array(z.string().min(1)).min(1)])
          .describe('Origins that may send here, as they name themselves; "*" for all.'),
        ratePerMinute: z
          .int()
          .min(1)
          .max(1_000_000)
          .optional()
          .describe(
            'Requests a minute that a sender is allowed, on each instance; beyond: 429. Without it there is no limit.',
          ),
        callback: z
          .boolean()
          .default(false)
          .describe('Consent by calling the URL that a sender gives, rather than in the answer.'),
      })
      .optional()
      .describe(
        'The CloudEvents abuse-protection handshake (OPTIONS); without this part no origin is allowed.',
      ),
    eventGridWindowSeconds: count(
      86_400,
      604_800,
      'How long an event that Event Grid sends again is recognised by its id.',
    ),
  })
  .prefault({})
  .describe('The way in.');
