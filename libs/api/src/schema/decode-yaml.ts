import { JsonSyntaxError, type ObjectSchema, type ParsedJson, parseJson } from '@orrery/apimachinery';
import { isMap, isScalar, LineCounter, parseAllDocuments, type ScalarTag, type Tags, visit, type Document } from 'yaml';
import { type Decoded, decodeParsed, type FieldValidation } from './decode.ts';
import { DecodeError } from './decode-error.ts';
import { schemaOf } from './lookup.ts';

/** YAML 1.1 as Go's decoder reads it: no dates, no base-60 numbers. */
function goTags(tags: Tags): Tags {
  return tags.filter((tag) => {
    const { tag: name, format } = tag as ScalarTag;
    return name !== 'tag:yaml.org,2002:timestamp' && format !== 'TIME';
  });
}

function duplicateKeys(document: Document.Parsed, lines: LineCounter): string[] {
  const found: string[] = [];
  visit(document, {
    Map(_key, node) {
      const seen = new Set<unknown>();
      for (const { key } of node.items) {
        if (!isScalar(key) || key.value === '<<') continue;
        const line = key.range ? lines.linePos(key.range[0]).line : 0;
        if (seen.has(key.value)) found.push(`  line ${line}: key ${JSON.stringify(key.value)} already set in map`);
        seen.add(key.value);
      }
    },
  });
  return found;
}

/** JSON is YAML, and what kubectl calls YAML is mostly JSON, which is read many times faster as what it is. */
function asJson(text: string): ParsedJson | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}

const isTooDeep = (error: Error): boolean => /maximum call stack/i.test(error.message);
/** What nests too deeply for the parser is told as Go's parser tells it. */
const tooDeep = (): DecodeError => new DecodeError('yaml: exceeded max depth of 10000');

function withinDepth<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw error instanceof RangeError && isTooDeep(error) ? tooDeep() : error;
  }
}

/** The first document of a YAML text as JSON, and its duplicate keys in upstream's words. Throws DecodeError. */
export function parseYaml(text: string): { value: unknown; problems: string[] } {
  const json = asJson(text);
  // Duplicates are told in YAML's words.
  if (json?.duplicates.size === 0) return { value: json.value, problems: [] };
  const lines = new LineCounter();
  const documents = withinDepth(() => parseAllDocuments(text, { version: '1.1', uniqueKeys: false, intAsBigInt: true, customTags: goTags, lineCounter: lines, logLevel: 'silent' }));
  const [document] = Array.isArray(documents) ? documents : [];
  if (!document) return { value: null, problems: [] };
  const [error] = document.errors;
  if (error) {
    if (isTooDeep(error)) throw tooDeep();
    const line = error.linePos?.[0].line ?? 1;
    const [message = ''] = error.message.split(' at line ');
    throw new DecodeError(`yaml: line ${line}: ${message.toLowerCase()}`);
  }
  const duplicates = isMap(document.contents) ? withinDepth(() => duplicateKeys(document, lines)) : [];
  const problems = duplicates.length > 0 ? [`yaml: unmarshal errors:\n${duplicates.join('\n')}`] : [];
  try {
    return { value: parseJson(withinDepth(() => JSON.stringify(document.toJS({ maxAliasCount: 100 }) ?? null))).value, problems };
  } catch (cause) {
    if (cause instanceof DecodeError) throw cause;
    throw new DecodeError(`yaml: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

/** Decodes a YAML body as `decodeJson` decodes JSON. */
export function decodeYaml(body: Uint8Array | string, definition: string | ObjectSchema, mode: FieldValidation): Decoded {
  const schema = typeof definition === 'string' ? schemaOf(definition) : definition;
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('utf8');
  const { value, problems } = parseYaml(text);
  return decodeParsed({ value, duplicates: new Map() }, { schema, mode, problems, sorted: true });
}
