export * from './field-error.ts';
export * from './status-error.ts';
export * from './unexpected-response.ts';
