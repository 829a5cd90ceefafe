import { configureGlobal } from 'fast-check';

/**
 * Tests with random values try the same ones in every run, so that a failure is of what changed; other seeds are tried with
 * ORRERY_SEED=N, or ORRERY_SEED=random.
 */
const seed = process.env['ORRERY_SEED'] ?? '20261120';
if (seed !== 'random') configureGlobal({ seed: Number(seed) });
