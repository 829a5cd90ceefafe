import { buildInfo } from '@orrery/runtime';

const { buildDate, compiler, gitCommit, gitTreeState, gitVersion, goVersion, major, minor, platform } = buildInfo;

/** What /version says: the Kubernetes version whose API is served. */
export const versionInfo = {
  major,
  minor,
  emulationMajor: '1',
  emulationMinor: '36',
  minCompatibilityMajor: '1',
  minCompatibilityMinor: '35',
  gitVersion,
  gitCommit,
  gitTreeState,
  buildDate,
  goVersion,
  compiler,
  platform,
};
