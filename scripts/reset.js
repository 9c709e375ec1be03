// Runs on whatever Node >= 20 is there, like ensure-installed.js.
import { rmSync } from 'node:fs';

const state = '.local';
const usage = `Removes ${state}: topics, checkpoints, keys and certificates of the local stack.\n\nUsage: npm run reset`;
const args = process.argv.slice(2);

if (args.includes('--help')) {
  console.log(usage);
} else if (args.length > 0) {
  console.error(`It takes no arguments, not "${args.join(' ')}".\n\n${usage}`);
  process.exitCode = 2;
} else {
  rmSync(state, { recursive: true, force: true });
  console.log(`Removed ${state}: topics, checkpoints, keys and certificates of the local stack.`);
}
