export type { ConversionWebhook } from './conversion.ts';
export { compareVersions, customKinds, isEstablished, isTerminating, storageKind } from './custom-kind.ts';
export { JsonPathError, compileJsonPath } from './json-path.ts';
export { type JsonSchema, validateAgainstSchema } from './json-schema.ts';
