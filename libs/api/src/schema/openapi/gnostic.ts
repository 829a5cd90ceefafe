import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { JsonObject } from './model.ts';

/**
 * The OpenAPI v2 document in gnostic's protobuf (openapi.v2.Document), which kubectl up to 1.28 insists on. Only what
 * our documents hold is written. Numbers: gnostic's OpenAPIv2.proto.
 */
function text(writer: BinaryWriter, number: number, value: unknown): void {
  if (typeof value === 'string' && value !== '') writer.tag(number, WireType.LengthDelimited).string(value);
}

function texts(writer: BinaryWriter, number: number, values: unknown): void {
  for (const value of (values ?? []) as string[]) writer.tag(number, WireType.LengthDelimited).string(value);
}

function flag(writer: BinaryWriter, number: number, value: unknown): void {
  if (value === true) writer.tag(number, WireType.Varint).bool(true);
}

function number64(writer: BinaryWriter, number: number, value: unknown): void {
  if (typeof value === 'number') writer.tag(number, WireType.Varint).int64(BigInt(Math.trunc(value)));
}

function decimal(writer: BinaryWriter, number: number, value: unknown): void {
  if (typeof value === 'number') writer.tag(number, WireType.Bit64).double(value);
}

function message(writer: BinaryWriter, number: number, write: () => void): void {
  writer.tag(number, WireType.LengthDelimited).fork();
  write();
  writer.join();
}

/** Any: {2 yaml}; JSON is YAML. */
function any(writer: BinaryWriter, number: number, value: unknown): void {
  message(writer, number, () => text(writer, 2, JSON.stringify(value)));
}

function extensions(writer: BinaryWriter, number: number, source: JsonObject): void {
  for (const [name, value] of Object.entries(source)) {
    if (!name.startsWith('x-')) continue;
    message(writer, number, () => {
      text(writer, 1, name);
      any(writer, 2, value);
    });
  }
}

function named(writer: BinaryWriter, number: number, entry: { name: string; write: () => void }): void {
  message(writer, number, () => {
    text(writer, 1, entry.name);
    message(writer, 2, entry.write);
  });
}

function writeConstraints(writer: BinaryWriter, schema: JsonObject): void {
  decimal(writer, 6, schema['multipleOf']);
  decimal(writer, 7, schema['maximum']);
  flag(writer, 8, schema['exclusiveMaximum']);
  decimal(writer, 9, schema['minimum']);
  flag(writer, 10, schema['exclusiveMinimum']);
  number64(writer, 11, schema['maxLength']);
  number64(writer, 12, schema['minLength']);
  text(writer, 13, schema['pattern']);
  number64(writer, 14, schema['maxItems']);
  number64(writer, 15, schema['minItems']);
  flag(writer, 16, schema['uniqueItems']);
  number64(writer, 17, schema['maxProperties']);
  number64(writer, 18, schema['minProperties']);
}

function writeSchema(writer: BinaryWriter, schema: JsonObject): void {
  const inner = (number: number, value: unknown): void => message(writer, number, () => writeSchema(writer, value as JsonObject));
  text(writer, 1, schema['$ref']);
  text(writer, 2, schema['format']);
  text(writer, 3, schema['title']);
  text(writer, 4, schema['description']);
  if (schema['default'] !== undefined) any(writer, 5, schema['default']);
  writeConstraints(writer, schema);
  texts(writer, 19, schema['required']);
  for (const value of (schema['enum'] ?? []) as unknown[]) any(writer, 20, value);
  const additional = schema['additionalProperties'];
  if (typeof additional === 'boolean') message(writer, 21, () => writer.tag(2, WireType.Varint).bool(additional));
  else if (additional !== undefined) message(writer, 21, () => inner(1, additional));
  if (schema['type'] !== undefined) message(writer, 22, () => texts(writer, 1, [schema['type']]));
  if (schema['items'] !== undefined) message(writer, 23, () => inner(1, schema['items']));
  if (schema['properties'] !== undefined) {
    message(writer, 25, () => {
      for (const [name, value] of Object.entries(schema['properties'] as JsonObject)) {
        named(writer, 1, { name, write: () => writeSchema(writer, value as JsonObject) });
      }
    });
  }
  extensions(writer, 31, schema);
}

/** ParametersItem { 1 Parameter { 1 body | 2 NonBody { 3 query | 4 path } } }. */
function writeParameter(writer: BinaryWriter, parameter: JsonObject): void {
  message(writer, 1, () => {
    if (parameter['in'] === 'body') {
      message(writer, 1, () => {
        text(writer, 2, parameter['name']);
        text(writer, 3, 'body');
        flag(writer, 4, parameter['required']);
        message(writer, 5, () => writeSchema(writer, parameter['schema'] as JsonObject));
      });
      return;
    }
    const isQuery = parameter['in'] === 'query';
    message(writer, 2, () =>
      message(writer, isQuery ? 3 : 4, () => {
        flag(writer, 1, parameter['required']);
        text(writer, 2, parameter['in']);
        text(writer, 3, parameter['description']);
        text(writer, 4, parameter['name']);
        text(writer, isQuery ? 6 : 5, parameter['type']);
        flag(writer, isQuery ? 20 : 19, parameter['uniqueItems']);
      }),
    );
  });
}

function writeResponses(writer: BinaryWriter, responses: JsonObject): void {
  for (const [name, value] of Object.entries(responses)) {
    const { description, schema } = value as JsonObject;
    const write = (): void =>
      message(writer, 1, () => {
        text(writer, 1, description);
        if (schema) message(writer, 2, () => message(writer, 1, () => writeSchema(writer, schema as JsonObject)));
      });
    named(writer, 1, { name, write });
  }
}

function writeOperation(writer: BinaryWriter, operation: JsonObject): void {
  texts(writer, 1, operation['tags']);
  text(writer, 3, operation['description']);
  text(writer, 5, operation['operationId']);
  texts(writer, 6, operation['produces']);
  texts(writer, 7, operation['consumes']);
  for (const parameter of (operation['parameters'] ?? []) as JsonObject[]) message(writer, 8, () => writeParameter(writer, parameter));
  message(writer, 9, () => writeResponses(writer, operation['responses'] as JsonObject));
  texts(writer, 10, operation['schemes']);
  extensions(writer, 13, operation);
}

const methods: readonly (readonly [string, number])[] = [['get', 2], ['put', 3], ['post', 4], ['delete', 5], ['options', 6], ['head', 7], ['patch', 8]];

function writePathItem(writer: BinaryWriter, item: JsonObject): void {
  for (const [method, number] of methods) {
    const operation = item[method];
    if (operation) message(writer, number, () => writeOperation(writer, operation as JsonObject));
  }
  for (const parameter of (item['parameters'] ?? []) as JsonObject[]) message(writer, 9, () => writeParameter(writer, parameter));
}

function writeSecurity(writer: BinaryWriter, definitions: JsonObject): void {
  for (const [name, value] of Object.entries(definitions)) {
    const { type, name: header, in: place, description } = value as JsonObject;
    const write = (): void =>
      message(writer, 2, () => {
        text(writer, 1, type);
        text(writer, 2, header);
        text(writer, 3, place);
        text(writer, 4, description);
      });
    named(writer, 1, { name, write });
  }
}

/**
 * What clients ask for, which is no valid media type, and what the answer must say: Go refuses the first one.
 */
export const openApiV2ProtobufTypes = {
  accepted: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
  answered: 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
} as const;

/** The protobuf form of what `openApiV2` makes; see `openApiV2ProtobufTypes`. */
export function encodeOpenApiV2(document: JsonObject): Uint8Array {
  const writer = new BinaryWriter();
  const info = document['info'] as JsonObject;
  text(writer, 1, document['swagger']);
  message(writer, 2, () => {
    text(writer, 1, info['title']);
    text(writer, 2, info['version']);
  });
  message(writer, 8, () => {
    for (const [name, item] of Object.entries(document['paths'] as JsonObject)) {
      named(writer, 2, { name, write: () => writePathItem(writer, item as JsonObject) });
    }
  });
  message(writer, 9, () => {
    for (const [name, schema] of Object.entries(document['definitions'] as JsonObject)) {
      named(writer, 1, { name, write: () => writeSchema(writer, schema as JsonObject) });
    }
  });
  message(writer, 13, () => writeSecurity(writer, document['securityDefinitions'] as JsonObject));
  return writer.finish();
}
