/** Part of a word. `quoted` parts are neither split nor globbed. */
export type WordPart =
  | { readonly type: 'literal'; readonly text: string; readonly quoted: boolean }
  | { readonly type: 'parameter'; readonly parameter: Parameter; readonly quoted: boolean }
  | { readonly type: 'command'; readonly list: List; readonly quoted: boolean }
  | { readonly type: 'arithmetic'; readonly expression: Word; readonly quoted: boolean }
  | { readonly type: 'tilde'; readonly user: string; readonly quoted: false };

export type Word = readonly WordPart[];

/** `${name}`, `${#name}`, `${name:-word}`, `${name%pattern}`, `${name/pattern/word}`, `${name:offset:length}`. */
export interface Parameter {
  readonly name: string;
  readonly operator?: string;
  readonly argument?: Word;
  readonly argument2?: Word | undefined;
}

export interface Redirect {
  readonly fd: number;
  readonly operator: '<' | '>' | '>>' | '>|' | '<>' | '<&' | '>&' | '<<' | '<<<';
  readonly target: Word;
}

export interface Assignment {
  readonly name: string;
  readonly value: Word;
}

export type Command =
  | { readonly type: 'simple'; readonly assignments: readonly Assignment[]; readonly words: readonly Word[]; readonly redirects: readonly Redirect[]; readonly line: number }
  | { readonly type: 'pipeline'; readonly commands: readonly Command[]; readonly negated: boolean }
  | { readonly type: 'and' | 'or'; readonly left: Command; readonly right: Command }
  | { readonly type: 'if'; readonly clauses: readonly { readonly condition: List; readonly body: List }[]; readonly otherwise?: List | undefined; readonly redirects: readonly Redirect[] }
  | { readonly type: 'loop'; readonly until: boolean; readonly condition: List; readonly body: List; readonly redirects: readonly Redirect[] }
  | { readonly type: 'for'; readonly name: string; readonly words?: readonly Word[] | undefined; readonly body: List; readonly redirects: readonly Redirect[] }
  | { readonly type: 'case'; readonly subject: Word; readonly items: readonly { readonly patterns: readonly Word[]; readonly body: List; readonly fallthrough: boolean }[]; readonly redirects: readonly Redirect[] }
  | { readonly type: 'group' | 'subshell'; readonly body: List; readonly redirects: readonly Redirect[] }
  | { readonly type: 'function'; readonly name: string; readonly body: Command };

export interface ListItem {
  readonly command: Command;
  readonly background: boolean;
}

export type List = readonly ListItem[];
