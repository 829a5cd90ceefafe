import type { Setup } from './plugin.ts';
import { type ResponseChange, parseRule } from './rewrite-rules.ts';

/** Changes questions on their way in and answers on their way out: https://coredns.io/plugins/rewrite/. The client sees the question it asked. */
export const rewrite: Setup = (lines) => {
  const rules = lines.map((line) => parseRule(line));
  return {
    async handle(asked, next) {
      let query = asked;
      const changes: ResponseChange[] = [];
      for (const rule of rules) {
        const done = rule.rewrite(query);
        if (!done) continue;
        query = done.query;
        changes.unshift(...done.changes);
        if (!rule.goesOn) break;
      }
      const reply = await next(query);
      if (!changes.length) return reply;
      const apply = <T extends (typeof reply.answers)[number]>(record: T): T => changes.reduce((done, change) => change(done) as T, record);
      const own = (record: (typeof reply.answers)[number]): (typeof reply.answers)[number] => {
        const changed = apply(record);
        // As it was asked, letter for letter.
        return changed.name === asked.name ? { ...changed, name: asked.asked } : changed;
      };
      return { ...reply, answers: reply.answers.map(own), additionals: reply.additionals.map(apply), authorities: reply.authorities.map(apply) };
    },
  };
};
