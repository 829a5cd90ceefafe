export * from './bus.ts';
export * from './in-memory-bus.ts';
export * from './nats-bus.ts';
export * from './subject.ts';
