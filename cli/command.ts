import type { ParseArgsOptionsConfig } from 'node:util';
import type { Stopped } from '../src/operate/gated-delivery.ts';
import { parsePosition, positionForms } from '../src/operate/requests.ts';
import type { Clock } from '../src/shared/clock.ts';
import type { Api } from './api.ts';
import { duration } from './table.ts';

/** The command line is wrong; the message says what would be right. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What a command works with. */
export interface Context {
  readonly api: Api;
  readonly clock: Clock;
  /** Prints what the command came to; with --json, that is one JSON document. */
  readonly print: (text: string) => void;
  /** Says how far long work is; not part of what is printed. */
  readonly progress: (text: string) => void;
  readonly json: boolean;
}

/** Options and arguments as given. */
export interface Given {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly args: readonly string[];
}

/** One command of the command line. */
export interface Command {
  /** Arguments and options, after the command's name. */
  readonly usage: string;
  /** A line for the list of commands. */
  readonly summary: string;
  /** What its options mean, and what its exit code says beyond the usual. */
  readonly details: string;
  readonly options: ParseArgsOptionsConfig;
  /** How many arguments it takes. */
  readonly args: { readonly min: number; readonly max: number };
  /** Answers the exit code: 0, or 1 when the operation failed. */
  run(context: Context, given: Given): Promise<number>;
}

/** An option's text; undefined when it was not given. */
export function textOf({ values }: Given, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

/** @throws {UsageError} when it was not given. */
export function requiredText(given: Given, name: string): string {
  const value = textOf(given, name);
  if (value === undefined) throw new UsageError(`--${name} must be given`);
  return value;
}

/** An option that is a whole number, at least `min`. @throws {UsageError} for anything else. */
export function numberOf(given: Given, name: string, min: number): number | undefined {
  const value = textOf(given, name);
  if (value === undefined) return undefined;
  if (!/^\d{1,9}$/.test(value) || Number(value) < min) {
    throw new UsageError(`--${name} must be a whole number from ${min} on, not "${value}"`);
  }
  return Number(value);
}

/** An option that is a position. @throws {UsageError} when it is none. */
export function positionOf(given: Given, name: string): string | undefined {
  const text = textOf(given, name);
  if (text !== undefined && parsePosition(text) === undefined) {
    throw new UsageError(`--${name} must be ${positionForms}, not "${text}"`);
  }
  return text;
}

/** An option that is one of a few words. @throws {UsageError} for anything else. */
export function wordOf(given: Given, name: string, words: readonly string[]): string | undefined {
  const value = textOf(given, name);
  if (value === undefined || words.includes(value)) return value;
  throw new UsageError(`--${name} must be one of: ${words.join(', ')}, not "${value}"`);
}

/** Prints a result: as JSON where that is asked for, else as `text` shows it. */
export function show<T>({ json, print }: Context, result: T, text: (result: T) => string): void {
  print(json ? JSON.stringify(result) : text(result));
}

/** The longest that a command waits by itself until what it asks for may go on. */
const goOnInMsMax = 60_000;

/** How long to wait before asking again; undefined: too long, or nobody knows. */
export function waitMsOf({ goOnInMs }: Stopped): number | undefined {
  return goOnInMs === null || goOnInMs > goOnInMsMax ? undefined : goOnInMs;
}

/** Why a run ended early, and when to ask again. */
export function stoppedText({ why, goOnInMs }: Stopped): string {
  const then = goOnInMs === null ? 'once the endpoint is resumed' : `in ${duration(goOnInMs)}`;
  return `stopped early: ${why}; ask again ${then}`;
}
