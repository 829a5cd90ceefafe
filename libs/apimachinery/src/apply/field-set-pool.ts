import { emptyFieldSet, type FieldSet, type FieldSetBuilder, here } from './field-set.ts';

/** Beyond this many places what is known is forgotten: names of labels and keys of maps come without end. */
const maxPlaces = 20_000;

/** A place that so many others followed is one where every object has its own (an address, say): what follows from now on is not kept. */
const maxSteps = 48;
/** The same of the places where all containers begin. */
const maxBegins = { fields: 8192, items: 1024 };

/** The containers there are: of fields or of items; a path may end at the container itself. */
export type Container = 'fields' | 'items' | 'fieldsAndHere' | 'itemsAndHere';

/** What follows at a place for one element: few differ in what is below it, so these are a list. */
interface Step {
  readonly below: FieldSet;
  readonly to: Place;
  readonly other: Step | undefined;
}

/** A container of which some elements, in the order in which it lists them, are known. */
export interface Place {
  readonly from: Place | undefined;
  readonly element: string;
  readonly below: FieldSet;
  /** Most places are the last of their container and have none. */
  steps: Map<string, Step> | undefined;
  /** Of a container that has these elements and no others. */
  set: FieldSet | undefined;
  /** How many steps may yet be added. */
  room: number;
  /** Nobody comes here twice. */
  readonly isPassing: boolean;
}

function placeOf(from: Place | undefined, element: string, below: FieldSet, room = maxSteps): Place {
  return { from, element, below, steps: undefined, set: undefined, room, isPassing: false };
}

const shared = new WeakSet<object>();

/** Is it a set that many objects share? */
export const isShared = (set: object): boolean => shared.has(set);

/** A place to which nobody comes twice. */
const passing = (from: Place, element: string, below: FieldSet): Place => ({ from, element, below, steps: undefined, set: undefined, room: 0, isPassing: true });

function next(at: Place, key: string, below: FieldSet): Place | undefined {
  let step = at.steps?.get(key);
  while (step && step.below !== below) step = step.other;
  return step?.to;
}

/** Elements sorted, `.` first, as stored. Frozen if it is one that others share. */
function setAt(end: Place): FieldSet {
  const places: Place[] = [];
  for (let place = end; place.from; place = place.from) places.push(place);
  if (places.length === 0) return emptyFieldSet;
  places.sort((a, b) => (a.element < b.element ? -1 : 1));
  const set: FieldSetBuilder = {};
  for (const { element, below } of places) set[element] = below as FieldSetBuilder;
  if (end.isPassing) return set;
  shared.add(set);
  return Object.freeze(set);
}

/**
 * Sets of objects that look alike, made once: a container is told by the sequence of its elements and what is below each, so that to
 * find the set of an object is to follow it through the pool. The sets are sorted, and objects that hold them share them; those that
 * are shared are frozen, those that an object has for itself are not.
 */
export class FieldSetPool {
  private readonly capacity: number;
  private places = 0;
  private begins: Readonly<Record<Container, Place>>;

  constructor(capacity: number = maxPlaces) {
    this.capacity = capacity;
    this.begins = this.fresh();
  }

  begin(container: Container): Place {
    if (this.places > this.capacity || this.begins.fields.room === 0) this.begins = this.fresh();
    return this.begins[container];
  }

  /** The place after the field of this name. */
  field(at: Place, name: string, below: FieldSet): Place {
    return next(at, name, below) ?? this.add(at, name, `f:${name}`, below);
  }

  item(at: Place, element: string, below: FieldSet): Place {
    return next(at, element, below) ?? this.add(at, element, element, below);
  }

  /** The pool's own set that is equal to this one. */
  shared(set: FieldSet): FieldSet {
    const begin = this.begin(set[here] ? 'fieldsAndHere' : 'fields');
    let at = begin;
    for (const element in set) {
      if (element === here) continue;
      const below = this.shared(set[element] as FieldSet);
      at = element.startsWith('f:') ? this.field(at, element.slice(2), below) : this.item(at, element, below);
    }
    return at === begin ? emptyFieldSet : this.setOf(at);
  }

  setOf(place: Place): FieldSet {
    return (place.set ??= setAt(place));
  }

  private add(at: Place, key: string, element: string, below: FieldSet): Place {
    if (at.room === 0 || !Object.isFrozen(below)) return passing(at, element, below);
    at.room--;
    const to = placeOf(at, element, below);
    at.steps ??= new Map();
    at.steps.set(key, { below, to, other: at.steps.get(key) });
    this.places++;
    return to;
  }

  private fresh(): Readonly<Record<Container, Place>> {
    this.places = 0;
    const [fields, items] = [placeOf(undefined, '', emptyFieldSet, maxBegins.fields), placeOf(undefined, '', emptyFieldSet, maxBegins.items)];
    return { fields, items, fieldsAndHere: placeOf(fields, here, emptyFieldSet, maxBegins.fields), itemsAndHere: placeOf(items, here, emptyFieldSet, maxBegins.items) };
  }
}
