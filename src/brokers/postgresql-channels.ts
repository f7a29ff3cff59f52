/** Who wants to hear of which channels, and what PostgreSQL has not been told of that yet. */
export interface Channels {
  watch(channel: string, hint: () => void): Disposable;
  notify(channel: string): void;
  /** LISTEN and UNLISTEN that are due; each is given once. */
  changes(): readonly string[];
}

export function createChannels(): Channels {
  const hints = new Map<string, Set<() => void>>();
  const due = new Map<string, "LISTEN" | "UNLISTEN">();
  return {
    watch(channel, hint) {
      const all = hints.get(channel) ?? new Set();
      if (all.size === 0) due.set(channel, "LISTEN");
      hints.set(channel, all.add(hint));
      return {
        [Symbol.dispose]() {
          if (!all.delete(hint) || all.size > 0) return;
          hints.delete(channel);
          due.set(channel, "UNLISTEN");
        },
      };
    },
    notify(channel) {
      for (const hint of hints.get(channel) ?? []) hint();
    },
    changes() {
      const texts = [...due].map(([channel, verb]) => `${verb} "${channel.replaceAll('"', '""')}"`);
      due.clear();
      return texts;
    },
  };
}
