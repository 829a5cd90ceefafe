import { type Env, HealthMetrics } from '@orrery/runtime';
import type { Kubelet } from '../component.ts';
import type { Page } from './node-pages.ts';
import { notFound, sendText } from './reply.ts';

interface Check {
  readonly name: string;
  passes(): boolean;
}

/** `/healthz`, its checks one by one, and what they said in the past as service level indicators. */
export class HealthPages {
  private readonly metrics: HealthMetrics;
  private readonly checks: readonly Check[];

  constructor({ metrics }: Env, { kubelets }: { kubelets: () => Iterable<Kubelet> }) {
    this.metrics = new HealthMetrics(metrics);
    this.checks = [
      { name: 'ping', passes: () => true },
      { name: 'log', passes: () => true },
      { name: 'syncloop', passes: () => [...kubelets()].every((kubelet) => kubelet.ready()) },
    ];
  }

  /** False for other paths. */
  serve({ route: { parts, url }, response }: Page): boolean {
    const [first, name, ...more] = parts;
    if (first !== 'healthz') return false;
    const chosen = name ? this.checks.filter((check) => check.name === name) : this.checks;
    if (!chosen.length || more.length) throw notFound();
    const results = chosen.map((check) => ({ name: check.name, ok: this.run(check) }));
    const ok = results.every((result) => result.ok);
    const lines = results.map((result) => `${result.ok ? '[+]' : '[-]'}${result.name} ${result.ok ? 'ok' : 'failed: reason withheld'}\n`);
    if (name) sendText(response, ok ? 200 : 500, ok ? 'ok' : 'internal server error: the sync loop does not turn\n');
    else if (!ok) sendText(response, 500, `${lines.join('')}healthz check failed\n`);
    else sendText(response, 200, url.searchParams.has('verbose') ? `${lines.join('')}healthz check passed\n` : 'ok');
    return true;
  }

  private run({ name, passes }: Check): boolean {
    const ok = passes();
    this.metrics.checked('healthz', { name, ok });
    return ok;
  }
}
