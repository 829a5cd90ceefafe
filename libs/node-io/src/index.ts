export * from './env.ts';
export * from './pki/index.ts';
export * from './real-clock.ts';
export * from './run-main.ts';
