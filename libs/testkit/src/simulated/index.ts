export { simulatedChaos } from './chaos-world.ts';
export { ordered } from './ordered-crypto.ts';
export { Simulation, type SimulationOptions } from './simulation.ts';
export { type SimulatedWorld, startSimulated } from './start.ts';
