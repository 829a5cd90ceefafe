export * from './document.ts';
export * from './gnostic.ts';
export { customDefinitionName, type Descriptions, type JsonObject, type OpenApiKind } from './model.ts';
