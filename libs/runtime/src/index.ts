export * from './clock.ts';
export * from './component.ts';
export * from './config.ts';
export * from './disk.ts';
export * from './logger.ts';
export * from './metrics.ts';
export * from './random.ts';
export * from './virtual-clock.ts';
