import type { Message } from './types';

/** Messages by their ids, with the children of each in the order in which they were written. */
export class Tree {
  private readonly byId = new Map<string, Message>();
  private readonly childrenOf = new Map<string | null, Message[]>();

  constructor(messages: Iterable<Message> = []) {
    const sorted = [...messages].sort((a, b) => a.created - b.created);
    sorted.forEach((message) => this.add(message));
  }

  get size(): number {
    return this.byId.size;
  }

  all(): Message[] {
    return [...this.byId.values()];
  }

  get(id: string | null): Message | undefined {
    return id === null ? undefined : this.byId.get(id);
  }

  add(message: Message): void {
    if (this.byId.has(message.id)) return;
    this.byId.set(message.id, message);
    const siblings = this.childrenOf.get(message.parent);
    if (siblings) siblings.push(message);
    else this.childrenOf.set(message.parent, [message]);
  }

  /** Puts a changed message in the place of the one with its id. */
  replace(message: Message): void {
    this.byId.set(message.id, message);
    const siblings = this.childrenOf.get(message.parent) ?? [];
    this.childrenOf.set(
      message.parent,
      siblings.map((sibling) => (sibling.id === message.id ? message : sibling)),
    );
  }

  /** The branch that ends with `leaf`, oldest first. */
  path(leaf: string | null): Message[] {
    const path: Message[] = [];
    const seen = new Set<string>();
    // Imported files may hold circles.
    for (let at = this.get(leaf); at && !seen.has(at.id); at = this.get(at.parent)) {
      seen.add(at.id);
      path.push(at);
    }
    return path.reverse();
  }

  /** The message and those that answer the same, in order. */
  siblings(message: Message): Message[] {
    return this.childrenOf.get(message.parent) ?? [message];
  }

  /** Where the branch through a message ends: always with the child that was written last. */
  leafBelow(id: string): string {
    const seen = new Set<string>();
    let at = id;
    for (;;) {
      seen.add(at);
      const next = this.childrenOf.get(at)?.at(-1);
      if (!next || seen.has(next.id)) return at;
      at = next.id;
    }
  }

  /** A message and all below it leave. */
  remove(id: string): Message[] {
    const removed: Message[] = [];
    const waiting = [id];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const message = this.byId.get(at);
      if (!message) continue;
      this.byId.delete(at);
      removed.push(message);
      this.childrenOf.get(at)?.forEach((child) => waiting.push(child.id));
      this.childrenOf.delete(at);
      const siblings = this.childrenOf.get(message.parent)?.filter((sibling) => sibling.id !== at);
      if (siblings) this.childrenOf.set(message.parent, siblings);
    }
    return removed;
  }
}
