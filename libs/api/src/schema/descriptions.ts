import type { Descriptions } from './openapi/model.ts';

/** What definitions and fields are for. Loaded on first use: it is large and only OpenAPI readers want it. */
export async function loadDescriptions(): Promise<Descriptions> {
  const module = await import('../../gen/descriptions.ts');
  return module.descriptions;
}
