export { allDefinitions, type Definition, definitionNamed, definitionOfKind } from './table.ts';
export * from './lookup.ts';
