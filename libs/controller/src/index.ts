export * from './claims.ts';
export * from './definition.ts';
export * from './doubts.ts';
export * from './expectations.ts';
export * from './owners.ts';
export * from './run-controller.ts';
export * from './slow-start.ts';
export * from './write-fence.ts';
