export * from './api-client.ts';
export * from './deep-equal.ts';
export * from './keys.ts';
export * from './selector.ts';
