export * from './bus.ts';
export * from './feed-protocol.ts';
export * from './feed-publisher.ts';
export * from './in-memory-bus.ts';
export * from './nats-bus.ts';
export * from './subject.ts';
