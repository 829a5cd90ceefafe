import type { WindowsSecurityContextOptions } from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { dns1123Subdomain } from '../../../validation/names.ts';

const maxCredentialSpecKiB = 64;
const maxDomain = 256;
const maxUser = 104;

const control = /[\u0000-\u001f\u007f]/;
const netBios = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/;
const dnsLabel = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?';
const dnsDomain = new RegExp(`^${dnsLabel}(?:\\.${dnsLabel})*$`);
const forbiddenInUser = /["/\\:;|=,+*?<>@[\]]/;

/** `DOMAIN\user`, the domain optional. */
function userNameProblems(name: string): string[] {
  if (name === '') return ['runAsUserName cannot be an empty string'];
  if (control.test(name)) return ['runAsUserName cannot contain control characters'];
  const parts = name.split('\\');
  if (parts.length > 2) return ['runAsUserName cannot contain more than one backslash'];
  const [domain, user = ''] = parts.length === 1 ? [undefined, parts[0]] : parts;
  const problems: string[] = [];
  if (domain !== undefined && Buffer.byteLength(domain) >= maxDomain) problems.push(`runAsUserName's Domain length must be under ${maxDomain} characters`);
  if (domain !== undefined && !netBios.test(domain) && !dnsDomain.test(domain)) problems.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
  if (user === '') problems.push("runAsUserName's User cannot be empty");
  else if (Buffer.byteLength(user) > maxUser) problems.push(`runAsUserName's User length must not be longer than ${maxUser} characters`);
  if (/^[. ]+$/.test(user)) problems.push("runAsUserName's User cannot contain only periods or spaces");
  if (forbiddenInUser.test(user)) problems.push(String.raw`runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]`);
  return problems;
}

export function checkWindowsOptions(options: WindowsSecurityContextOptions | undefined, at: FieldPath): void {
  if (!options) return;
  const { gmsaCredentialSpecName: specName, gmsaCredentialSpec: spec, runAsUserName } = options;
  if (specName !== undefined) at.child('gmsaCredentialSpecName').matches(specName, dns1123Subdomain);
  if (spec === '') at.child('gmsaCredentialSpec').invalid(spec, 'gmsaCredentialSpec cannot be an empty string');
  else if (spec !== undefined && Buffer.byteLength(spec) > maxCredentialSpecKiB * 1024) {
    at.child('gmsaCredentialSpec').invalid(spec, `gmsaCredentialSpec size must be under ${maxCredentialSpecKiB} KiB`);
  }
  if (runAsUserName !== undefined) for (const problem of userNameProblems(runAsUserName)) at.child('runAsUserName').invalid(runAsUserName, problem);
}
