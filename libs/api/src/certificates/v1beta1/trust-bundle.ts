import type { FieldPath } from '../../validation/field-path.ts';
import { readCertificate } from '../der.ts';
import { pemBlocks } from '../pem.ts';

const maxBytes = 1024 * 1024;
const omitted = '<value omitted>';

/** Trust anchors: PEM certificates of authorities, none twice, nothing else. */
export function checkTrustBundle(text: string, at: FieldPath): void {
  if (Buffer.byteLength(text) > maxBytes) return at.tooLong(omitted, maxBytes);
  const problems = at.errors.length;
  const seen = new Map<string, number[]>();
  for (const [i, { type, hasHeaders, der }] of pemBlocks(text).entries()) {
    const facts = type === 'CERTIFICATE' && !hasHeaders ? readCertificate(der) : undefined;
    if (type !== 'CERTIFICATE') at.invalid(omitted, `entry ${i} has bad block type: ${type}`);
    else if (hasHeaders) at.invalid(omitted, `entry ${i} has PEM block headers`);
    else if (!facts) at.invalid(omitted, `entry ${i} does not parse as X.509`);
    else {
      if (!facts.isCa) at.invalid(omitted, `entry ${i} does not have the CA bit set`);
      if (!facts.constraintsValid) at.invalid(omitted, `entry ${i} has invalid basic constraints`);
      const key = der.toString('base64');
      seen.set(key, [...(seen.get(key) ?? []), i]);
    }
  }
  // With bad entries, what else is missing or double would only confuse.
  if (at.errors.length > problems) return;
  if (!seen.size) at.invalid(omitted, 'at least one trust anchor must be provided');
  for (const indices of seen.values()) if (indices.length > 1) at.invalid(omitted, `duplicate trust anchor (indices [${indices.join(' ')}])`);
}
