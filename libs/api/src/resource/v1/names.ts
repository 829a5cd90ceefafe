import type { FieldPath } from '../../validation/field-path.ts';
import { cIdentifier, dns1123Label, dns1123Subdomain } from '../../validation/names.ts';

const maxDriverBytes = 63;
const maxPoolBytes = 253;
const maxIdBytes = 32;
const notDomain = 'a fully qualified name must be a domain and a name separated by a slash';

/** Drivers of devices and of storage are named alike. */
export function checkDriverName(name: string | undefined, at: FieldPath): void {
  if (!name) return at.required();
  if (Buffer.byteLength(name) > maxDriverBytes) at.tooLong(name, maxDriverBytes);
  for (const message of dns1123Subdomain(name.toLowerCase())) at.invalid(name, message);
}

/** DNS subdomains separated by slashes. */
export function checkPoolName(name: string | undefined, at: FieldPath): void {
  if (!name) return at.required();
  if (Buffer.byteLength(name) > maxPoolBytes) at.tooLong(name, maxPoolBytes);
  for (const part of name.split('/')) at.matches(part, dns1123Subdomain);
}

export const checkLabelName = (name: string | undefined, at: FieldPath): void => at.matches(name, dns1123Label);

function checkId(id: string, at: FieldPath): void {
  if (Buffer.byteLength(id) > maxIdBytes) at.tooLong(id, maxIdBytes);
  at.matches(id, cIdentifier);
}

/** Names of attributes and capacities: a C identifier, with or without a domain before it. */
export function checkQualifiedName(name: string, at: FieldPath): void {
  const [first = '', second, ...more] = name.split('/');
  if (more.length > 0) return at.invalid(name, 'must not contain more than one slash');
  if (second === undefined) return checkId(first, at);
  if (first === '') at.invalid('', 'the domain must not be empty');
  else checkDriverName(first, at);
  if (second === '') at.invalid('', 'the name must not be empty');
  else checkId(second, at);
}

export function checkFullyQualifiedName(name: string, at: FieldPath): void {
  checkQualifiedName(name, at);
  if (!name.includes('/')) at.invalid(name, notDomain);
}

/** A version as semver.org has it. */
export const semanticVersion = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$/;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const uuidLengths = [32, 36, 38, 45];

export function checkUid(uid: string, at: FieldPath): void {
  if (uuid.test(uid)) return;
  if (!uuidLengths.includes(uid.length)) return at.invalid(uid, `error validating uid: invalid UUID length: ${uid.length}`);
  const digits = uid.replace(/^urn:uuid:/i, '').replace(/^\{(.*)\}$/, '$1');
  if (!/^([0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/i.test(digits)) return at.invalid(uid, 'error validating uid: invalid UUID format');
  at.invalid(uid, 'uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters');
}

/** Arbitrary JSON that must be an object. */
export function checkRawObject(value: unknown, { at, maxBytes }: { at: FieldPath; maxBytes: number | undefined }): void {
  if (value === undefined || value === null) return at.required();
  if (maxBytes !== undefined && Buffer.byteLength(JSON.stringify(value)) > maxBytes) return at.tooLong('', maxBytes);
  if (typeof value !== 'object' || Array.isArray(value)) at.invalid('<value omitted>', 'must be a valid JSON object');
}
