import type { Answer } from 'dns-packet';
import { type Setup, argumentError, errorAt, onlyOnce } from './plugin.ts';

/** Aliases first, then what is not balanced, then addresses and mail servers from a place chosen by chance. */
function balanced(records: readonly Answer[], draw: (bound: number) => number): Answer[] {
  const pick = (test: (type: string) => boolean): Answer[] => records.filter(({ type }) => test(type));
  const shuffled = (list: Answer[]): Answer[] => {
    for (let i = list.length - 1; i > 0; i--) {
      const j = draw(i + 1);
      [list[i], list[j]] = [list[j] as Answer, list[i] as Answer];
    }
    return list;
  };
  const isAddress = (type: string): boolean => type === 'A' || type === 'AAAA';
  const rest = pick((type) => !isAddress(type) && type !== 'CNAME' && type !== 'MX');
  return [...pick((type) => type === 'CNAME'), ...rest, ...shuffled(pick(isAddress)), ...shuffled(pick((type) => type === 'MX'))];
}

export const loadbalance: Setup = (lines, { env }) => {
  const line = onlyOnce(lines);
  const [policy] = line.args;
  if (policy && policy.text !== 'round_robin') throw errorAt(policy, `unknown policy: ${policy.text}`);
  if (line.args.length > 1) throw argumentError(line);
  return {
    async handle(query, next) {
      const reply = await next(query);
      if (reply.rcode !== 'NOERROR' || reply.answers.length < 2 || query.type === 'AXFR' || query.type === 'IXFR') return reply;
      return { ...reply, answers: balanced(reply.answers, (bound) => env.random.int(bound)) };
    },
  };
};
