export * from './env.ts';
export * from './real-clock.ts';
export * from './run-main.ts';
