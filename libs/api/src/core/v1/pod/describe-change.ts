import { semanticEqual } from '../../../equality.ts';

const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function lines(value: unknown, { sign, indent, name }: { sign: string; indent: string; name: string }): string[] {
  return JSON.stringify(value, undefined, 2).split('\n').map((line, i) => `${sign} ${indent}${i === 0 ? name : ''}${line}`);
}

/** Fields in the order of their names; those that are alike are left out with three dots. */
function describe(old: unknown, value: unknown, { indent, name }: { indent: string; name: string }): string[] {
  if (!isMap(old) || !isMap(value)) {
    const list = Array.isArray(old) && Array.isArray(value) && old.length === value.length ? old.map((item, i) => [item, (value as unknown[])[i]] as const) : undefined;
    if (list) {
      const inner = list.flatMap(([a, b]) => (semanticEqual(a, b) ? [`  ${indent}  ... // identical`] : describe(a, b, { indent: `${indent}  `, name: '' })));
      return [`  ${indent}${name}[`, ...inner, `  ${indent}]`];
    }
    return [...(old === undefined ? [] : lines(old, { sign: '-', indent, name })), ...(value === undefined ? [] : lines(value, { sign: '+', indent, name }))];
  }
  const keys = [...new Set([...Object.keys(old), ...Object.keys(value)])].sort();
  const changed = keys.filter((key) => !semanticEqual(old[key], value[key]));
  const inner = changed.flatMap((key) => describe(old[key], value[key], { indent: `${indent}  `, name: `${JSON.stringify(key)}: ` }));
  const same = keys.length - changed.length;
  return [`  ${indent}${name}{`, ...inner, ...(same > 0 ? [`  ${indent}  ... // ${same} identical fields`] : []), `  ${indent}}`];
}

/** What differs, a line for each: what was with a minus, what is wanted with a plus. */
export function describeChange(old: unknown, value: unknown): string {
  return `${describe(old, value, { indent: '', name: '' }).join('\n')}\n`;
}
