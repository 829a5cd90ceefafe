export * from './fake-api.ts';
export * from './faulted-api.ts';
export * from './serve-api.ts';
