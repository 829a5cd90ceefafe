import type { Answer } from 'dns-packet';
import { longestZone } from '../corefile/zones.ts';
import { type Query, type Rcode, type Reply, absolute, rcodeNumbers } from '../message.ts';
import { typeNumber } from '../server/wire.ts';
import { type Fallthrough, type Line, type PluginContext, type Setup, argumentError, errorAt, fallthroughOf, noFallthrough, oneArgument, regex, zonesOf } from './plugin.ts';
import { parseRecord } from './record-text.ts';
import { type TemplateScope, compileTemplate } from './template-text.ts';

type Section = 'answer' | 'additional' | 'authority';

interface Template {
  readonly class: string;
  readonly type: string;
  readonly zones: readonly string[];
  readonly patterns: RegExp[];
  readonly sections: Readonly<Record<Section, ((scope: TemplateScope) => string)[]>>;
  rcode: Rcode;
  fall: Fallthrough;
}

function property(line: Line, template: Template): void {
  const { name, args } = line;
  switch (name.text) {
    case 'match':
      if (!args.length) throw argumentError(line);
      for (const arg of args) template.patterns.push(regex(arg));
      return;
    case 'answer':
    case 'additional':
    case 'authority':
      if (!args.length) throw argumentError(line);
      for (const arg of args) {
        try {
          template.sections[name.text].push(compileTemplate(arg.text));
        } catch (error) {
          throw errorAt(arg, `could not compile template: ${arg.text}, ${(error as Error).message}`);
        }
      }
      return;
    case 'rcode': {
      const token = oneArgument(line);
      if (!(token.text.toUpperCase() in rcodeNumbers)) throw errorAt(token, `unknown rcode ${token.text}`);
      template.rcode = token.text.toUpperCase() as Rcode;
      return;
    }
    case 'fallthrough':
      template.fall = fallthroughOf(line);
      return;
    case 'upstream':
      return;
    default:
      throw argumentError(line);
  }
}

function parse(line: Line, ofBlock: readonly string[]): Template {
  const [ofClass, type, ...zones] = line.args;
  if (!ofClass || !type) throw argumentError(line);
  if (!['IN', 'CH', 'HS', 'ANY'].includes(ofClass.text)) throw errorAt(ofClass, `invalid query class ${ofClass.text}`);
  if (typeNumber(type.text) === undefined) throw errorAt(type, `invalid RR type ${type.text}`);
  const template: Template = { class: ofClass.text, type: type.text, zones: zonesOf(zones, ofBlock), patterns: [], sections: { answer: [], additional: [], authority: [] }, rcode: 'NOERROR', fall: noFallthrough };
  for (const one of line.block) property(one, template);
  if (!template.patterns.length) template.patterns.push(/.*/);
  if (!template.sections.answer.length && !template.sections.authority.length && template.rcode === 'NOERROR') throw errorAt(line.name, 'no answer section for template found');
  return template;
}

function scopeOf(template: Template, query: Query): TemplateScope | 'falls' | 'other' {
  const zone = longestZone(query.name, template.zones);
  if (zone === undefined) return 'other';
  if ((template.type !== 'ANY' && template.type !== query.type) || (template.class !== 'ANY' && template.class !== query.class)) return 'other';
  const name = absolute(query.name);
  for (const pattern of template.patterns) {
    const match = pattern.exec(name);
    if (!match) continue;
    return { Zone: absolute(zone), Name: absolute(query.asked), Class: query.class, Type: query.type, Match: match.map((part) => part ?? ''), Group: { ...match.groups }, Remote: query.client.ip };
  }
  return 'falls';
}

async function answer(template: Template, query: Query, scope: TemplateScope, { resolve }: PluginContext): Promise<Reply> {
  const records = (section: Section): Answer[] => template.sections[section].map((make) => parseRecord(make(scope)));
  const answers = records('answer');
  const last = answers.at(-1);
  // An alias is followed, so that the client need not.
  if (last?.type === 'CNAME' && (query.type === 'A' || query.type === 'AAAA')) answers.push(...(await resolve({ ...query, asked: last.data, name: last.data.toLowerCase() })).answers);
  return { rcode: template.rcode, answers, additionals: records('additional'), authorities: records('authority'), authoritative: true };
}

/** Answers made from the question: https://coredns.io/plugins/template/. */
export const template: Setup = (lines, context) => {
  const templates = lines.map((line) => parse(line, context.zones));
  const matches = context.env.metrics.counter('coredns_template_matches_total', 'Counter of template regex matches.');
  const failures = context.env.metrics.counter('coredns_template_rr_failures_total', 'Counter of mis-templated RRs.');
  return {
    async handle(query, next) {
      for (const one of templates) {
        const scope = scopeOf(one, query);
        if (scope === 'other') continue;
        if (scope === 'falls') {
          if (one.fall(query.name)) continue;
          return next(query);
        }
        matches.inc({ server: context.server, zone: scope.Zone, view: '', class: one.class, type: one.type });
        try {
          return await answer(one, query, scope, context);
        } catch (error) {
          failures.inc({ server: context.server, zone: scope.Zone, view: '', class: one.class, type: one.type });
          throw new Error(`plugin/template: ${(error as Error).message}`, { cause: error });
        }
      }
      return next(query);
    },
  };
};
