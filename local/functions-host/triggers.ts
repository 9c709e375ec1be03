import { eventGridTrigger } from './eventgrid-trigger.ts';
import { httpTrigger } from './http-trigger.ts';
import { timerTrigger } from './timer-trigger.ts';
import type { TriggerFactory } from './trigger.ts';

/** The kinds of trigger the host runs, by binding type in lower case. */
export const triggerFactories: Readonly<Record<string, TriggerFactory>> = {
  httptrigger: httpTrigger,
  eventgridtrigger: eventGridTrigger,
  timertrigger: timerTrigger,
};
