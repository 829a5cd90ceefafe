export * from './control.ts';
export * from './link.ts';
export * from './peers.ts';
