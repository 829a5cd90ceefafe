export * from './object.ts';
export * from './schema.ts';
