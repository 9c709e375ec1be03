import type { Plan } from '../plan.ts';
import { createChance } from '../world/chance.ts';
import { situationsIn } from './in.ts';
import { situationsOfOperators } from './operators.ts';
import { firstSituations, laterSituations, latestSituations, waitingSituations } from './out.ts';
import { situationsOfRaces } from './races.ts';
import type { Situation } from './situation.ts';
import { situationsOfStorage } from './storage.ts';

/** Situations that were thought of together. */
interface Generation {
  /** Names its stream of chance. */
  readonly stream: string;
  /** In so many plans one of them takes place. */
  readonly share: number;
  readonly situations: readonly Situation[];
}

/** Brings some plans into a situation, now and then into one of each generation. */
export function inSituation(plan: Plan): Plan {
  return generations.reduce((before, { stream, share, situations }) => {
    const chance = createChance(plan.seed, stream);
    return chance.happens(share) ? chance.oneOf(situations)(before, chance) : before;
  }, plan);
}

/** In the order in which they came: what is added in a new one leaves other plans as they were. */
const generations: readonly Generation[] = [
  { stream: 'situation', share: 0.2, situations: firstSituations },
  { stream: 'later situations', share: 0.2, situations: laterSituations },
  { stream: 'latest situations', share: 0.3, situations: latestSituations },
  { stream: 'situations in', share: 0.3, situations: situationsIn },
  { stream: 'situations of people', share: 0.15, situations: situationsOfOperators },
  { stream: 'situations of storage', share: 0.2, situations: situationsOfStorage },
  { stream: 'situations of waiting', share: 0.15, situations: waitingSituations },
  { stream: 'situations of races', share: 0.2, situations: situationsOfRaces },
];
