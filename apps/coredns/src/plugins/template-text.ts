/** What a template sees; names as in https://coredns.io/plugins/template/. */
export interface TemplateScope {
  readonly Zone: string;
  readonly Name: string;
  readonly Class: string;
  readonly Type: string;
  readonly Match: readonly string[];
  readonly Group: Readonly<Record<string, string>>;
  readonly Remote: string;
}

type Part = (scope: TemplateScope) => string;

function expression(text: string): Part {
  const field = /^\.(Zone|Name|Class|Type|Remote)$/.exec(text);
  if (field) return (scope) => scope[field[1] as 'Zone'];
  const group = /^\.Group\.(\w+)$/.exec(text) ?? /^index\s+\.Group\s+"([^"]+)"$/.exec(text);
  if (group) return (scope) => scope.Group[group[1] ?? ''] ?? '';
  const match = /^index\s+\.Match\s+(\d+)$/.exec(text);
  if (match) return (scope) => scope.Match[Number(match[1])] ?? '';
  const literal = /^"((?:[^"\\]|\\.)*)"$/.exec(text);
  if (literal) return () => literal[1] ?? '';
  throw new Error(`template: unsupported expression ${JSON.stringify(text)}`);
}

/** Compiles a template: text with `{{ .Name }}`, `{{ .Group.x }}` or `{{ index .Match 1 }}`. Throws an Error for any other expression. */
export function compileTemplate(text: string): Part {
  const parts = text.split(/(\{\{.*?\}\})/s).map((piece): Part => {
    if (!piece.startsWith('{{')) {
      if (piece.includes('{{')) throw new Error('template: unclosed action');
      return () => piece;
    }
    return expression(piece.slice(2, -2).replace(/^-|-$/g, '').trim());
  });
  return (scope) => parts.map((part) => part(scope)).join('');
}
