import { dns1123Label } from './names.ts';

/** Told to whoever makes an owner of pods whose name is a subdomain but no label: hostnames come from it. */
export function podNameWarnings(name: string | undefined): string[] {
  const problems = dns1123Label(name ?? '');
  if (problems.length === 0) return [];
  return [`metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [${problems.join(' ')}]`];
}
