import type { BridgeConfig } from '../config/schema.ts';
import type { CheckpointStore, ParkedStore } from '../drain/ports.ts';
import type { DeadLetterStore } from '../events/dead-letter.ts';
import type { OutboxStore } from '../ingest/outbox-ports.ts';
import type { ReceiptStore } from '../ingest/receipts.ts';
import type { Credential } from '../kafka-rest/credentials.ts';
import type { Clock, Random } from '../shared/clock.ts';
import type { OpenHttpPool } from '../shared/http.ts';
import type { Log } from '../shared/log.ts';
import type { Telemetry, TraceHeaders } from '../shared/telemetry.ts';
import type { AcquireToken } from '../shared/tokens.ts';

/** All that the bridge knows of the world around it. */
export interface Surroundings {
  readonly config: BridgeConfig;
  readonly clock: Clock;
  readonly random: Random;
  /** Makes a name that nothing else has. */
  readonly newId: () => string;
  readonly openPool: OpenHttpPool;
  readonly acquireWith: (credential: Credential, scope: string) => AcquireToken;
  readonly stores: Stores;
  readonly telemetry: Telemetry;
  /** The log of what many invocations share, such as a call that carries records of several. */
  readonly report: Log;
}

/** The stores. Each is opened when it is first asked for, so that an instance pays only for what it does. */
export interface Stores {
  /** Where each subscription stands, and the state of its endpoint. */
  checkpoints(): Promise<CheckpointStore>;
  /** Records that wait for their next attempt. */
  parked(): Promise<ParkedStore>;
  /** What was given up. */
  deadLetters(): Promise<DeadLetterStore>;
  /** Records accepted and not yet produced. */
  outbox(): Promise<OutboxStore>;
  /** What came of events before. */
  receipts(): Promise<ReceiptStore>;
}

/** One call of a function by the platform. */
export interface Invocation {
  readonly id: string;
  readonly report: Log;
  /** Where the platform's own span for it stands. */
  readonly caller: TraceHeaders;
}

/** A name for what an invocation leases; no two runs share one, should the platform call twice under one id. */
export function ownerOf({ id }: Invocation, newId: () => string): string {
  return `${id}/${newId()}`;
}
