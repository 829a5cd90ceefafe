/** Draft of the TypeScript types of all API definitions; see docs/HACKING.md. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
const [fieldsFile = '', gvkFile = '', out = ''] = process.argv.slice(2);
const rows = readFileSync(fieldsFile, 'utf8').split('\n').slice(1).filter(Boolean).map((l) => l.split('\t'));
const gvk = readFileSync(gvkFile, 'utf8').split('\n').slice(1).filter(Boolean).map((l) => l.split('\t'));
const special: Record<string, string> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': 'string', 'io.k8s.apimachinery.pkg.util.intstr.IntOrString': 'number | string',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': 'string', 'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': 'string',
  'io.k8s.apimachinery.pkg.runtime.RawExtension': 'Record<string, unknown>', 'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1': 'Record<string, unknown>',
};
const defs = new Map<string, string[][]>();
for (const r of rows) { const d = r[0] ?? ''; if (!defs.has(d)) defs.set(d, []); if (r[1]) defs.get(d)!.push(r); }
const kindDefs = new Set(gvk.map((g) => g[0]));
const cap = (s: string) => s[0]!.toUpperCase() + s.slice(1);
const rank = (v: string) => /^v\d+$/.test(v) ? 1000 + Number(v.slice(1)) : 0;
const byShort = new Map<string, string[]>();
for (const d of defs.keys()) { const s = d.split('.').at(-1)!; byShort.set(s, [...(byShort.get(s) ?? []), d]); }
const names = new Map<string, string>();
for (const [short, ds] of byShort) {
  const stable = ds.filter((d) => rank(d.split('.').at(-2)!) > 0 || !/\.v\d/.test(d));
  const best = [...stable].sort((a, b) => Number(kindDefs.has(b)) - Number(kindDefs.has(a)) || Number(b.includes('.rbac.')) - Number(a.includes('.rbac.')) || Number(b.includes('.core.')) - Number(a.includes('.core.')) || rank(b.split('.').at(-2)!) - rank(a.split('.').at(-2)!))[0];
  for (const d of ds) names.set(d, d === best ? short : cap(d.split('.').at(-3)!.replace(/-/g, '')) + cap(d.split('.').at(-2)!) + short);
}
const ref = (d: string): string => special[d] ?? names.get(d) ?? 'unknown';
const scalar = (t: string, item: string): string => t === 'integer' || t === 'number' ? 'number' : t === 'boolean' ? 'boolean' : t === 'string' ? 'string' : t === 'object' || t === '' ? 'Record<string, unknown>' : ref(t);
const prim = new Set(['string', 'integer', 'number', 'boolean', 'object', '']);
const typeOf = (t: string, item: string): string => {
  const inner = prim.has(item) ? scalar(item, '') : ref(item);
  if (t === 'array') return inner.includes('|') ? `(${inner})[]` : `${inner}[]`;
  if (t === 'map') return `Record<string, ${inner}>`;
  if (t === 'ref') return ref(item);
  return scalar(t, item);
};
let text = '/* eslint-disable */\n// Generated; do not edit.\n\n';
const kinds = new Set(gvk.map((g) => g[0]));
for (const [d, fields] of defs) {
  if (special[d]) continue;
  if (fields.length === 0) { text += `export type ${names.get(d)} = Record<string, unknown>;\n\n`; continue; }
  text += `/** ${d} */\nexport interface ${names.get(d)} {\n`;
  for (const [, p, t = '', , item = '', req] of fields) {
    const optional = req === 'required' && !(kinds.has(d) && p !== 'items') ? '' : '?';
    text += `  ${/^[A-Za-z_][A-Za-z0-9_]*$/.test(p!) ? p : JSON.stringify(p)}${optional}: ${typeOf(t, item)};\n`;
  }
  text += '}\n\n';
}
mkdirSync(out.replace(/\/[^/]*$/, ''), { recursive: true });
writeFileSync(out, text);
