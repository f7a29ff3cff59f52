/** One condition on the labels of an object. `In` and `NotIn` have values. */
export type Requirement = Readonly<{
  key: string;
  operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  values: readonly string[];
}>;

/** All of these must hold. An empty one would select everything, so there is none: see {@link parseSelector}. */
export type Selector = readonly [Requirement, ...Requirement[]];

export type Labels = Readonly<Record<string, string>>;

/** `metav1.LabelSelector`, as it stands in a workload's spec. */
export type LabelSelector = Readonly<{
  matchLabels?: Labels;
  matchExpressions?: readonly Readonly<{ key: string; operator: string; values?: readonly string[] }>[];
}>;

const operators: ReadonlySet<string> = new Set(["In", "NotIn", "Exists", "DoesNotExist"]);

/** Undefined when it is empty, or holds what is not understood: then nobody can say which pods are meant. */
export function toSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector): Selector | undefined {
  if (matchExpressions.some(({ operator }) => !operators.has(operator))) return undefined;
  const requirements = [
    ...Object.entries(matchLabels).map(([key, value]) => ({ key, operator: "In" as const, values: [value] })),
    ...matchExpressions.map(({ key, operator, values = [] }) => ({
      key,
      operator: operator as Requirement["operator"],
      values,
    })),
  ];
  const [first, ...rest] = requirements;
  return first && [first, ...rest];
}

const key = "[A-Za-z0-9][A-Za-z0-9._/-]*";
const sets = new RegExp(String.raw`^(${key})\s+(in|notin)\s+\(([^()]*)\)$`);
const equals = new RegExp(String.raw`^(${key})\s*(==|=|!=)\s*([A-Za-z0-9._-]*)$`);
const exists = new RegExp(String.raw`^(!?)\s*(${key})$`);

/** The text form, as `status.selector` of a Scale holds it: `app=mails,tier in (a,b),!canary`. Undefined as above. */
export function parseSelector(text: string): Selector | undefined {
  const parts = text.split(/,(?![^(]*\))/).map((part) => part.trim());
  const requirements: Requirement[] = [];
  for (const part of parts) {
    const requirement = parsePart(part);
    if (requirement === undefined) return undefined;
    requirements.push(requirement);
  }
  const [first, ...rest] = requirements;
  return first && [first, ...rest];
}

function parsePart(part: string): Requirement | undefined {
  const [, setKey, word, list] = sets.exec(part) ?? [];
  if (setKey !== undefined && list !== undefined) {
    const values = list.split(",").map((value) => value.trim());
    return { key: setKey, operator: word === "in" ? "In" : "NotIn", values };
  }
  const [, equalKey, sign, value] = equals.exec(part) ?? [];
  if (equalKey !== undefined && value !== undefined) {
    return { key: equalKey, operator: sign === "!=" ? "NotIn" : "In", values: [value] };
  }
  const [, not, existsKey] = exists.exec(part) ?? [];
  return existsKey === undefined ? undefined : { key: existsKey, operator: not === "!" ? "DoesNotExist" : "Exists", values: [] };
}

/** As Kubernetes matches: `NotIn` holds for objects without the label too. */
export function matches(selector: Selector, labels: Labels): boolean {
  return selector.every(({ key, operator, values }) => {
    const value = labels[key];
    switch (operator) {
      case "In":
        return value !== undefined && values.includes(value);
      case "NotIn":
        return value === undefined || !values.includes(value);
      case "Exists":
        return value !== undefined;
      case "DoesNotExist":
        return value === undefined;
      default:
        return operator satisfies never;
    }
  });
}
