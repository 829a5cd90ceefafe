import type { FieldPath } from './field-path.ts';
import { dns1123Subdomain, regexMessage } from './names.ts';

const httpPathFormat = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";

/** `acme.io/foo`: a subdomain, a slash and a path. */
export function checkDomainPrefixedPath(value: string | undefined, at: FieldPath): void {
  if (!value) return at.required();
  const slash = value.indexOf('/');
  const path = value.slice(slash + 1);
  if (slash <= 0 || path === '') return at.invalid(value, 'must be a domain-prefixed path (such as "acme.io/foo")');
  at.matches(value.slice(0, slash), dns1123Subdomain);
  if (!/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(path)) at.invalid(path, regexMessage('Invalid path', httpPathFormat));
}
