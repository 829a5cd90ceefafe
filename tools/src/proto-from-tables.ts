/**
 * Writes a .proto file from a table of wire facts, one row a field, enum value or rpc:
 *
 *   package <TAB> kind (field|enum|rpc) <TAB> message or service <TAB> name <TAB> number <TAB> label <TAB> type
 *
 * label: singular, repeated, or `oneof NAME`; for an rpc label is the request and type the response, each
 * optionally prefixed by `stream`. Nested enums and messages are written `Outer.Inner`. 64-bit identifiers are
 * marked `jstype = JS_STRING`: they use all their bits, which a JavaScript number cannot hold.
 *
 *   node tools/src/proto-from-tables.ts TABLE.tsv PACKAGE OUT.proto [IMPORT.proto ...]
 */
import { readFileSync, writeFileSync } from 'node:fs';

interface Row {
  pkg: string;
  kind: string;
  owner: string;
  name: string;
  number: string;
  label: string;
  type: string;
}

interface Message {
  fields: Row[];
  enums: Map<string, Row[]>;
  nested: Map<string, Message>;
}

const scalars = new Set('double float int32 int64 uint32 uint64 sint32 sint64 fixed32 fixed64 bool string bytes'.split(' '));

function readRows(file: string, pkg: string): Row[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(1)
    .filter((line) => line !== '')
    .map((line) => {
      const [p = '', kind = '', owner = '', name = '', number = '', label = '', type = ''] = line.split('\t');
      return { pkg: p, kind, owner, name, number, label, type };
    })
    .filter((row) => row.pkg === pkg);
}

function emptyMessage(): Message {
  return { fields: [], enums: new Map(), nested: new Map() };
}

function messageAt(root: Message, path: readonly string[]): Message {
  let at = root;
  for (const part of path) {
    let next = at.nested.get(part);
    if (!next) at.nested.set(part, (next = emptyMessage()));
    at = next;
  }
  return at;
}

function identifierOption(row: Row): string {
  const isWide = row.type === 'int64' || row.type === 'uint64';
  return isWide && /^(.*_id|.*ID|lease|leader)$/.test(row.name) && row.name !== 'watch_id' ? ' [jstype = JS_STRING]' : '';
}

function isMessageReference(type: string): boolean {
  return !scalars.has(type) && !type.startsWith('map<') && !type.includes('.');
}

function collect(rows: readonly Row[]): { root: Message; services: Map<string, Row[]> } {
  const root = emptyMessage();
  const services = new Map<string, Row[]>();
  const enumNames = new Set(rows.filter((r) => r.kind === 'enum').map((r) => r.owner.split('.').at(-1)));
  for (const row of rows) {
    if (row.kind === 'rpc') {
      services.set(row.owner, [...(services.get(row.owner) ?? []), row]);
      for (const type of [row.label, row.type]) messageAt(root, [type.replace('stream ', '')]);
    } else if (row.kind === 'enum') {
      const path = row.owner.split('.');
      const owner = messageAt(root, path.slice(0, -1));
      const name = path.at(-1) ?? '';
      owner.enums.set(name, [...(owner.enums.get(name) ?? []), row]);
    } else {
      messageAt(root, row.owner.split('.')).fields.push(row);
      const nested = row.type.includes('.') ? [] : [row.type];
      for (const type of nested) {
        const isNested = rows.some((r) => r.owner === `${row.owner}.${type}`);
        if (isMessageReference(type) && !enumNames.has(type) && !isNested) messageAt(root, [type]);
      }
    }
  }
  return { root, services };
}

function printEnum(name: string, rows: readonly Row[], indent: string): string {
  const values = rows.map((r) => `${indent}  ${r.name} = ${r.number};\n`).join('');
  return `${indent}enum ${name} {\n${values}${indent}}\n`;
}

function printMessage(name: string, message: Message, indent: string): string {
  const inner = `${indent}  `;
  let out = `${indent}message ${name} {\n`;
  for (const [n, rows] of message.enums) out += printEnum(n, rows, inner);
  for (const [n, nested] of message.nested) out += printMessage(n, nested, inner);
  const oneofs = new Map<string, Row[]>();
  for (const field of message.fields) {
    if (field.label.startsWith('oneof ')) {
      const key = field.label.slice('oneof '.length);
      oneofs.set(key, [...(oneofs.get(key) ?? []), field]);
      continue;
    }
    const label = field.label === 'repeated' || field.label === 'optional' ? `${field.label} ` : '';
    out += `${inner}${label}${field.type} ${field.name} = ${field.number}${identifierOption(field)};\n`;
  }
  for (const [key, fields] of oneofs) {
    out += `${inner}oneof ${key} {\n`;
    for (const field of fields) out += `${inner}  ${field.type} ${field.name} = ${field.number}${identifierOption(field)};\n`;
    out += `${inner}}\n`;
  }
  return `${out}${indent}}\n`;
}

function printService(name: string, rows: readonly Row[]): string {
  const rpcs = rows.map((r) => `  rpc ${r.name}(${r.label}) returns (${r.type});\n`).join('');
  return `service ${name} {\n${rpcs}}\n`;
}

const [table = '', pkg = '', out = '', ...imports] = process.argv.slice(2);
const { root, services } = collect(readRows(table, pkg));
let text = `syntax = "proto3";\n\npackage ${pkg};\n\n`;
for (const file of imports) text += `import "${file}";\n`;
text += '\n';
for (const [name, rows] of services) text += `${printService(name, rows)}\n`;
for (const [name, rows] of root.enums) text += `${printEnum(name, rows, '')}\n`;
for (const [name, message] of root.nested) text += `${printMessage(name, message, '')}\n`;
writeFileSync(out, text);
