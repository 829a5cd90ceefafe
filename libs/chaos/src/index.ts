export * from './api-faults.ts';
export * from './fault.ts';
export * from './recovery.ts';
export * from './report.ts';
export * from './verbs.ts';
export * from './world.ts';
