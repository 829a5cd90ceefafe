export * from './fake-api.ts';
