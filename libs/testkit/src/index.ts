export * from './cluster.ts';
export * from './command.ts';
export * from './eventually.ts';
export * from './kubectl.ts';
