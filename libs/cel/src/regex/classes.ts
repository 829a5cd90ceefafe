/** A set of code points. */
export interface CharClass {
  readonly ranges: readonly (readonly [number, number])[];
  readonly properties: readonly ((code: number) => boolean)[];
  readonly isNegated: boolean;
}

export const maxCode = 0x10ffff;

export const classOf = (...ranges: readonly (readonly [number, number])[]): CharClass => ({ ranges, properties: [], isNegated: false });
export const negated = (one: CharClass): CharClass => ({ ...one, isNegated: !one.isNegated });

export function holds({ ranges, properties, isNegated }: CharClass, code: number): boolean {
  const isIn = ranges.some(([low, high]) => code >= low && code <= high) || properties.some((property) => property(code));
  return isIn !== isNegated;
}

const code = (letter: string): number => letter.codePointAt(0) ?? 0;
const spans = (...pairs: readonly string[]): CharClass => classOf(...pairs.map((pair): readonly [number, number] => [code(pair[0] ?? ''), code(pair[1] ?? pair[0] ?? '')]));

const perl: Readonly<Record<string, CharClass>> = { d: spans('09'), s: spans('\t\n', '\f\r', ' '), w: spans('09', 'AZ', '_', 'az') };

/** `\d`, `\S` and their like by the letter after the backslash. */
export function perlClass(letter: string): CharClass | undefined {
  const lower = letter.toLowerCase();
  const found = Object.hasOwn(perl, lower) ? perl[lower] : undefined;
  return found && letter !== lower ? negated(found) : found;
}

const posix: Readonly<Record<string, CharClass>> = {
  alnum: spans('09', 'AZ', 'az'), alpha: spans('AZ', 'az'), ascii: classOf([0, 0x7f]), blank: spans('\t', ' '), cntrl: classOf([0, 0x1f], [0x7f, 0x7f]), digit: spans('09'), graph: spans('!~'),
  lower: spans('az'), print: spans(' ~'), punct: spans('!/', ':@', '[`', '{~'), space: spans('\t\r', ' '), upper: spans('AZ'), word: spans('09', 'AZ', 'az', '_'), xdigit: spans('09', 'AF', 'af'),
};

export const posixClass = (name: string): CharClass | undefined => (Object.hasOwn(posix, name) ? posix[name] : undefined);

/** A Unicode category or script; undefined when there is none of that name. */
export function unicodeClass(name: string): CharClass | undefined {
  if (name === 'Any') return classOf([0, maxCode]);
  for (const spelled of /^[A-Z][a-z&]?$/.test(name) ? [name] : [`Script=${name}`]) {
    try {
      const one = new RegExp(`^\\p{${spelled}}$`, 'u');
      return { ranges: [], properties: [(point) => one.test(String.fromCodePoint(point))], isNegated: false };
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return undefined;
}

/** The class without regard to case. */
export function folded(one: CharClass): CharClass {
  const inside: CharClass = { ...one, isNegated: false };
  const alike = (point: number): boolean => {
    const letter = String.fromCodePoint(point);
    return [letter.toLowerCase(), letter.toUpperCase()].some((other) => [...other].length === 1 && holds(inside, code(other)));
  };
  return { ...one, properties: [...one.properties, alike] };
}
