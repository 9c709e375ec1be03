import { rmSync } from 'node:fs';

const state = '.local';
rmSync(state, { recursive: true, force: true });
console.log(`Removed ${state}: topics, checkpoints, keys and certificates of the local stack.`);
