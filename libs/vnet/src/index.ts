export * from './net.ts';
export * from './rules.ts';
