import { describe, expect, it } from 'vitest';
import { createMetrics } from './metrics.ts';
import { formatValue } from './metrics-text.ts';

describe('metrics', () => {
  it('writes families in order of names, labels in order and escaped', () => {
    const metrics = createMetrics();
    const requests = metrics.counter('b_total', 'Requests.');
    requests.inc({ path: 'a"b\\c\nd', code: '200' });
    requests.with({ code: '200', path: 'a"b\\c\nd' }).inc(2);
    metrics.gaugeFn('a', 'Two\nlines.', () => 7);
    expect(metrics.expose()).toBe('# HELP a Two\\nlines.\n# TYPE a gauge\na 7\n# HELP b_total Requests.\n# TYPE b_total counter\nb_total{code="200",path="a\\"b\\\\c\\nd"} 3\n');
  });

  it('counts observations into cumulative buckets, bound ones and named ones into the same series', () => {
    const metrics = createMetrics();
    const seconds = metrics.histogram('h', 'H.', [0.005, 1, 1e6]);
    seconds.observe(1, { verb: 'GET' });
    const bound = seconds.with({ verb: 'GET' });
    bound.observe(0.001);
    bound.add(2, 3);
    bound.observe(2e6);
    expect(metrics.expose().split('\n').slice(2)).toEqual([
      'h_bucket{verb="GET",le="0.005"} 1',
      'h_bucket{verb="GET",le="1"} 2',
      'h_bucket{verb="GET",le="1e+06"} 5',
      'h_bucket{verb="GET",le="+Inf"} 6',
      'h_sum{verb="GET"} 2.000007001e+06',
      'h_count{verb="GET"} 6',
      '',
    ]);
  });

  it('speaks OpenMetrics: counters are named without their suffix, the end is marked', () => {
    const metrics = createMetrics();
    metrics.counter('x_total', 'X.').inc();
    metrics.collect('y', { type: 'gauge', help: 'Y.' }, () => [{ labels: { a: '1' }, value: 2 }]);
    expect(metrics.expose('openmetrics')).toBe('# HELP x X.\n# TYPE x counter\nx_total 1\n# HELP y Y.\n# TYPE y gauge\ny{a="1"} 2\n# EOF\n');
    expect(metrics.expose('text', (name) => name === 'y')).toBe('# HELP y Y.\n# TYPE y gauge\ny{a="1"} 2\n');
  });

  it.each([
    [0, '0'],
    [0.00001, '1e-05'],
    [999999, '999999'],
    [1e6, '1e+06'],
    [1234567.5, '1.2345675e+06'],
    [Number.POSITIVE_INFINITY, '+Inf'],
    [Number.NaN, 'NaN'],
  ])('writes %s as Go does', (value, text) => expect(formatValue(value)).toBe(text));
});
