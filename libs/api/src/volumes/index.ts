export * from './annotations.ts';
export * from './matching.ts';
export * from './pod-claims.ts';
