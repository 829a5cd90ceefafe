export * from './cluster.ts';
export * from './command.ts';
export * from './eventually.ts';
export * from './free-range.ts';
export * from './kubectl.ts';
export * from './start-cluster.ts';
export * from './test-world.ts';
