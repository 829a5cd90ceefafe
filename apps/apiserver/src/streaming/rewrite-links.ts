/** Where a page came from, and under which path clients see it. */
export interface PageSource {
  /** The URL path up to and including `/proxy`. */
  readonly prefix: string;
  /** `host:port` of the backend. */
  readonly backend: string;
  /** What the client wrote into `Host`. */
  readonly asked: string;
}

const absolute = /^([a-z][a-z0-9+.-]*:)?(?:\/\/([^/?#]*))?(\/[^?#]*)(.*)$/is;

/** Brings a URL of the backend back to the proxy: only absolute paths of the same host change, as upstream has it. */
export function rewriteUrl(target: string, { prefix, backend, asked }: PageSource): string {
  const [, scheme = '', host = '', path = '', rest = ''] = absolute.exec(target) ?? [];
  if (path === '' || (scheme !== '' && host === '')) return target;
  if (host !== '' && host !== backend && host !== asked) return target;
  const origin = host !== '' && host === asked ? `${scheme}//${host}` : '';
  return `${origin}${path.startsWith(prefix) ? '' : prefix}${path}${rest}`;
}

/** Attributes whose values are URLs, by tag. */
const urlAttributes: Readonly<Record<string, readonly string[]>> = {
  a: ['href'], applet: ['codebase'], area: ['href'], audio: ['src'], base: ['href'], blockquote: ['cite'], body: ['background'], button: ['formaction'], command: ['icon'], del: ['cite'],
  embed: ['src'], form: ['action'], frame: ['longdesc', 'src'], head: ['profile'], html: ['manifest'], iframe: ['longdesc', 'src'], img: ['longdesc', 'src', 'usemap'], input: ['src', 'usemap', 'formaction'],
  ins: ['cite'], link: ['href'], object: ['classid', 'codebase', 'data', 'usemap'], q: ['cite'], script: ['src'], source: ['src'], video: ['poster', 'src'],
};

/** Elements whose content is text up to their end tag. */
const rawText = new Set(['script', 'style', 'textarea', 'title', 'xmp', 'iframe', 'noembed', 'noframes']);

const tagName = /[a-z][^\s/>]*/iy;
const attributeName = /[\s/]*([^\s/>=][^\s/>=]*)?\s*/y;
const bareValue = /[^\s>]*/y;

function match(pattern: RegExp, html: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(html);
}

/** The value of an attribute that begins at `at`; undefined when the page ends in it. */
function valueAt(html: string, at: number): { from: number; to: number; next: number } | undefined {
  const quote = html[at];
  if (quote !== '"' && quote !== "'") {
    const to = at + (match(bareValue, html, at)?.[0].length ?? 0);
    return { from: at, to, next: to };
  }
  const to = html.indexOf(quote, at + 1);
  return to < 0 ? undefined : { from: at + 1, to, next: to + 1 };
}

/** Copies one start tag whose attributes begin at `at`; `next` is behind its `>`, undefined when the page ends before. */
function startTag(html: string, at: number, { urls, rewrite }: { urls: readonly string[]; rewrite: (url: string) => string }): { text: string; next: number | undefined } {
  let text = '';
  let done = at;
  let here = at;
  for (;;) {
    const found = match(attributeName, html, here);
    here += found?.[0].length ?? 0;
    if (here >= html.length) return { text: text + html.slice(done), next: undefined };
    if (html[here] === '>') return { text: text + html.slice(done, here + 1), next: here + 1 };
    if (html[here] !== '=') continue;
    here++;
    while (/\s/.test(html[here] ?? '')) here++;
    const value = valueAt(html, here);
    if (!value) return { text: text + html.slice(done), next: undefined };
    if (urls.includes((found?.[1] ?? '').toLowerCase())) {
      text += html.slice(done, value.from) + rewrite(html.slice(value.from, value.to));
      done = value.to;
    }
    here = value.next;
  }
}

/** Changes the URLs of a page; all else stays as it is, byte by byte. Takes time in proportion to the page, whatever is in it. */
export function rewriteHtml(html: string, rewrite: (url: string) => string): string {
  const lower = html.toLowerCase();
  let out = '';
  let done = 0;
  while (done < html.length) {
    const open = html.indexOf('<', done);
    if (open < 0) break;
    if (html.startsWith('<!--', open)) {
      const end = html.indexOf('-->', open + 4);
      if (end < 0) break;
      out += html.slice(done, end + 3);
      done = end + 3;
      continue;
    }
    const name = match(tagName, html, open + 1)?.[0].toLowerCase();
    out += html.slice(done, open + 1 + (name?.length ?? 0));
    done = open + 1 + (name?.length ?? 0);
    if (name === undefined) continue;
    const { text, next } = startTag(html, done, { urls: urlAttributes[name] ?? [], rewrite });
    out += text;
    if (next === undefined) return out;
    done = next;
    if (!rawText.has(name)) continue;
    const end = lower.indexOf(`</${name}`, done);
    if (end < 0) break;
    out += html.slice(done, end);
    done = end;
  }
  return out + html.slice(done);
}
