import type { Fault } from './faults.ts';
import type { World } from './world.ts';

/** Lets something strike as often a minute as the plan says. */
export function everyMinute(world: World, fault: Fault, strike: () => void): void {
  const chance = world.chance(`times of ${fault}`);
  const rate = world.plan.faults[fault];
  if (rate === undefined) return;
  const next = () => {
    world.after((60_000 / rate) * (0.2 + 1.6 * chance.next()), () => {
      if (world.healed) return;
      if (world.befalls(fault)) strike();
      next();
    });
  };
  next();
}
