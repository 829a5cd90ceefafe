export * from './namespace.ts';
export * from './two-nodes.ts';
