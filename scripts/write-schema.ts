import { writeFileSync } from 'node:fs';
import { runProgram } from '../local/program.ts';
import { configJsonSchema } from '../src/config/load.ts';
import { describeError } from '../src/shared/error.ts';

const file = 'bridge.schema.json';

await runProgram({
  usage: `Writes ${file} anew, from src/config/schema.ts.\n\nUsage: npm run schema\n`,
  options: {},
  async main() {
    writeFileSync(file, `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
    console.log(`Wrote ${file}.`);
    return 0;
  },
  failure: (error) => `${file} could not be written: ${describeError(error)}`,
});
