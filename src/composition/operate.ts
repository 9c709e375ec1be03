import { produceAgain } from '../ingest/produce-again.ts';
import type { Router } from '../ingest/route.ts';
import { type OperateRequest, type OperationName, operate } from '../operate/operate.ts';
import { createPace } from '../operate/pace.ts';
import type { Answer } from '../shared/answer.ts';
import type { Deliveries } from './deliveries.ts';
import type { Kafka } from './kafka.ts';
import type { Invocation, Surroundings } from './surroundings.ts';

/** Carries out what an operator asks for. */
export type Operate = (
  name: OperationName,
  request: OperateRequest,
  invocation: Invocation,
) => Promise<Answer>;

/** Wires what operators do. */
export function composeOperate(
  { clock, newId, stores }: Surroundings,
  parts: { readonly kafka: Kafka; readonly deliveries: Deliveries; readonly router: Router },
): Operate {
  const { kafka, deliveries, router } = parts;
  const { log, write } = kafka;
  const pace = createPace();
  const subscriptions = new Map(
    [...deliveries.subscriptions].map(([name, { settings, delivery }]) => [
      name,
      { topics: settings.topics, settings, limits: settings.endpoint, delivery },
    ]),
  );
  return (name, request, { report }) =>
    operate(
      async () => ({
        subscriptions,
        log,
        checkpoints: await stores.checkpoints(),
        deadLetters: await stores.deadLetters(),
        outbox: await stores.outbox(),
        produceAgain: (letter) => produceAgain({ write, router }, letter),
        openDelivery: deliveries.open,
        pace,
        clock,
        report,
        newId,
      }),
      name,
      request,
    );
}
