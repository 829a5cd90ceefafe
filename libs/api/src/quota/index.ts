export * from './pod-resources.ts';
export * from './quota-usage.ts';
