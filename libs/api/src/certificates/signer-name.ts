import type { FieldPath } from '../validation/field-path.ts';
import { dns1123Label, dns1123Subdomain } from '../validation/names.ts';

const form = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
const maxDomain = 253;
const maxPath = 253 * 2 + 1;

function checkLabels(text: string, at: FieldPath, rule: (label: string) => readonly string[]): void {
  for (const label of text.split('.')) {
    const problems = rule(label);
    for (const problem of problems) at.invalid(text, `validating label ${JSON.stringify(label)}: ${problem}`);
    // Further labels would only repeat it.
    if (problems.length) return;
  }
}

/** Upstream's ValidateSignerName: `example.com/signer-name`. */
export function checkSignerName(signerName: string | undefined, at: FieldPath): void {
  if (!signerName) return at.required();
  const [domain = '', path = '', ...more] = signerName.split('/');
  if (more.length || !signerName.includes('/')) return at.invalid(signerName, form);
  if (domain.length > maxDomain) at.tooLong(domain, maxDomain);
  checkLabels(domain, at, dns1123Label);
  if (!domain.includes('.')) at.invalid(domain, 'should be a domain with at least two segments separated by dots');
  checkLabels(path, at, dns1123Subdomain);
  if (signerName.length > maxDomain + maxPath + 1) at.tooLong(signerName, maxDomain + maxPath + 1);
}
