export { allDefinitions, type Definition, definitionNamed, definitionOfKind } from './table.ts';
export * from './lookup.ts';
export * from './decode.ts';
export * from './decode-error.ts';
export * from './decode-yaml.ts';
export * from './decode-protobuf.ts';
export * from './encode-protobuf.ts';
export * from './descriptions.ts';
export * from './openapi/index.ts';
