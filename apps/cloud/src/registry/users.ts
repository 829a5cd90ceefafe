import { ConfigError } from '@orrery/runtime';

/** Users of the registry, `USER:PASSWORD` a line; empty lines and those that begin with # say nothing. Throws ConfigError. */
export function registryUsers(text: string): ReadonlyMap<string, string> {
  const lines = text.split(/\r?\n/).map((line, i) => ({ line, at: i + 1 })).filter(({ line }) => line.trim() && !line.startsWith('#'));
  return new Map(
    lines.map(({ line, at }) => {
      const colon = line.indexOf(':');
      if (colon < 1 || colon === line.length - 1) throw new ConfigError(`--registry-users-file: line ${at} is not USER:PASSWORD`);
      return [line.slice(0, colon), line.slice(colon + 1)];
    }),
  );
}
