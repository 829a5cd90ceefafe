export * from './address.ts';
export { connPair } from './conn.ts';
export * from './fabric.ts';
export type { Faults, LinkFault } from './faults.ts';
export { healthPortAnswer } from './health-ports.ts';
export * from './net.ts';
export * from './policy.ts';
export * from './rules.ts';
export type { Attachment, RemotePort, VnetSwitch } from './switch.ts';
