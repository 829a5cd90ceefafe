import type { Metrics } from './metrics.ts';

/** The release of Kubernetes that every component stands in for. */
export const buildInfo = {
  major: '1',
  minor: '36',
  gitVersion: 'v1.36.0',
  gitCommit: '0000000000000000000000000000000000000000',
  gitTreeState: 'clean',
  buildDate: '2026-04-22T00:00:00Z',
  goVersion: 'none',
  compiler: 'orrery',
  platform: 'linux/amd64',
} as const;

/** Upstream's metric by which alerts find components of different releases. */
export function tellBuild(metrics: Pick<Metrics, 'collect'>): void {
  const { buildDate: build_date, compiler, gitCommit: git_commit, gitTreeState: git_tree_state, gitVersion: git_version, goVersion: go_version, major, minor, platform } = buildInfo;
  const help = "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.";
  metrics.collect('kubernetes_build_info', { type: 'gauge', help }, () => [{ labels: { major, minor, git_version, git_commit, git_tree_state, build_date, go_version, compiler, platform }, value: 1 }]);
}
