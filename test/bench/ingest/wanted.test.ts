import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Comparison, Figures } from './compare.ts';
import { comparisonJson } from './report.ts';
import { judge } from './wanted.ts';

const figures = (eventsPerSecond: number, p50Ms: number, p99Ms: number): Figures => ({
  eventsPerSecond,
  p50Ms,
  p99Ms,
});

const tight64: Comparison = {
  proxy: 'tight',
  connections: 64,
  bridge: figures(5_550.04, 10, 20),
  bare: figures(1_500, 40, 50),
  ceiling: figures(9_000, 5, 9),
};

test('each wanted figure is told with what it came to', () => {
  assert.deepEqual(judge([tight64]), [
    { met: false, text: 'tight, 64 connections: bridge / bare, events/s: wanted >= 4.0x: 3.70x - missed' },
    { met: true, text: 'tight, 64 connections: bridge / bare, p99: wanted <= 0.6x: 0.40x - met' },
  ]);
});

test('before a free proxy the ceiling counts, and at one connection the latency', () => {
  const free64: Comparison = { ...tight64, proxy: 'free', bridge: figures(5_400, 10, 20) };
  const free1: Comparison = { ...tight64, proxy: 'free', connections: 1, bridge: figures(100, 50, 20) };
  assert.deepEqual(judge([free64, free1]), [
    { met: false, text: 'free, 1 connection: bridge / bare, p50: wanted <= 1.2x: 1.25x - missed' },
    { met: true, text: 'free, 64 connections: bridge / ceiling, events/s: wanted >= 0.6x: 0.60x - met' },
  ]);
});

test('programs are told events a second and milliseconds', () => {
  assert.equal(
    comparisonJson([tight64]),
    '{"bench":"ingest","runs":[{"proxy":"tight","connections":64,"bridge":5550,"bare":1500,"ceiling":9000,"p99Bridge":20,"p99Bare":50}]}',
  );
});
