export * from './command.ts';
export { sha256 } from './hash.ts';
export * from './packet-filters.ts';
export * from './pod-network.ts';
export * from './forwarder.ts';
