import { systemClock } from '../../../src/shared/clock.ts';
import { reportReady } from '../child.ts';
import { startSlowProxy } from '../ingest/slow-proxy.ts';

const [callMs, callsMax] = process.argv.slice(2).map(Number);
if (callMs === undefined || callsMax === undefined) throw new TypeError('say: callMs callsMax');
const proxy = await startSlowProxy({ clock: systemClock, callMs, callsMax });
reportReady(proxy.url);
