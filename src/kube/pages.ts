import type { Kube, KubeObject, Page, Selection } from "./kube.ts";

/** A whole list, page by page, all of one moment. */
export async function* pagesOf<T extends KubeObject>(
  kube: Kube,
  selection: Selection,
  signal: AbortSignal,
): AsyncIterable<Page<T>> {
  let next: string | undefined;
  do {
    const page: Page<T> = await kube.list<T>(selection, { signal, ...(next === undefined ? {} : { next }) });
    yield page;
    next = page.next;
  } while (next !== undefined);
}
