import { problemFrom } from '../api/problem';
import { MemoryStorage } from '../store/memory';
import { ServerStorage, unlock } from '../store/server';
import type { Hit, Storage } from '../store/storage';
import { newChat, type Chat, type Listed, type Message } from '../store/types';
import { Conversation } from './conversation.svelte';
import { folders } from './folders.svelte';
import { notices } from './notices.svelte';
import { prefs } from './prefs.svelte';
import { server } from './server.svelte';

/** All conversations, and the one that is open. */
class Chats {
  list = $state.raw<Chat[]>([]);
  current = $state.raw<Conversation | null>(null);
  /** Whether conversations outlive the page. */
  isKept = $state(true);
  /** Whether they are encrypted, and nobody has given the passphrase. */
  isLocked = $state(false);
  private storage: Storage = new ServerStorage();
  /** Those that were opened since the page was: answers go on in conversations that are not shown. */
  private readonly opened = new Map<string, Conversation>();
  private channel: BroadcastChannel | null = null;

  async start(): Promise<void> {
    if ('BroadcastChannel' in globalThis) {
      this.channel = new BroadcastChannel('hob.chats');
      this.channel.onmessage = () => void this.refresh();
    }
    addEventListener('hashchange', () => void this.route());
    // The terminal, a phone or another window may have changed something while nobody looked here.
    addEventListener('focus', () => void this.refresh());
    addEventListener('pagehide', () => this.opened.forEach((conversation) => conversation.flush()));
    await this.connect();
  }

  /** Asks the server for what it keeps, for the first time or with another key. */
  async connect(): Promise<void> {
    try {
      await this.load();
    } catch (thrown) {
      const problem = problemFrom(thrown);
      if (problem.kind === 'unauthorized') server.failed(problem);
      else if (problem.kind === 'locked') this.isLocked = true;
      else if (problem.kind === 'refused') this.keepNothing(problem.message);
    }
    await this.route();
  }

  private keepNothing(why: string): void {
    this.storage = new MemoryStorage();
    this.isKept = false;
    notices.show(`Conversations last until this page is closed (${why}).`, true);
  }

  /** Opens encrypted conversations; a wrong passphrase is thrown as a problem. */
  async unlock(passphrase: string): Promise<void> {
    await unlock(passphrase);
    this.isLocked = false;
    await this.connect();
  }

  /** Leaves them locked; what is said now is kept nowhere. */
  goWithout(): void {
    this.isLocked = false;
    this.keepNothing('those that are kept stay locked');
    this.startNew();
  }

  /** Looks what changed elsewhere. What cannot be asked now is asked the next time. */
  async refresh(): Promise<void> {
    try {
      await this.load();
    } catch (thrown) {
      const problem = problemFrom(thrown);
      if (problem.kind === 'unauthorized') server.failed(problem);
      if (problem.kind === 'locked') this.isLocked = true;
    }
  }

  private async load(): Promise<void> {
    const [listed, marked] = await Promise.all([this.storage.list(), this.storage.privateFolders()]);
    folders.marked = marked;
    const byId = new Map(listed.map((one) => [one.chat.id, one]));
    for (const conversation of this.opened.values()) await this.renew(conversation, byId.get(conversation.chat.id));
    // What is still on its way to the server is newer than what came from it.
    const here = [...this.opened.values()].filter((conversation) => conversation.isBusy).map(({ chat }) => chat);
    const others = listed.filter(({ chat }) => !here.some(({ id }) => id === chat.id)).map(({ chat }) => chat);
    this.list = [...here, ...others].sort((a, b) => b.updated - a.updated);
  }

  private async renew(conversation: Conversation, listed: Listed | undefined): Promise<void> {
    const { id } = conversation.chat;
    conversation.retry();
    if (conversation.isBusy || listed?.version === conversation.version) return;
    const now = await this.storage.chat(id);
    if (now) {
      const messages = await this.storage.messages(id);
      conversation.renew(now, messages);
    } else if (!conversation.isBusy) {
      this.opened.delete(id);
      if (this.current !== conversation) return;
      notices.show(`“${conversation.chat.title}” was deleted elsewhere.`);
      this.startNew();
    }
  }

  /** Opens what the address says. */
  private async route(): Promise<void> {
    const id = /^#\/chat\/([0-9A-Za-z]+)$/.exec(location.hash)?.[1];
    if (id !== undefined && id === this.current?.chat.id) return;
    try {
      const conversation = id === undefined ? null : await this.conversationOf(id);
      if (conversation) {
        this.current = conversation;
        return;
      }
    } catch (thrown) {
      if (this.current) notices.show(problemFrom(thrown).message, true);
    }
    if (location.hash !== '#/temporary' || !this.current?.isTemporary) this.fresh(location.hash === '#/temporary');
  }

  private async conversationOf(id: string): Promise<Conversation | null> {
    const known = this.opened.get(id);
    if (known) return known;
    const listed = await this.storage.chat(id);
    return listed ? this.conversation(listed, await this.storage.messages(id)) : null;
  }

  private conversation(listed: Listed, messages: Message[]): Conversation {
    const conversation = new Conversation(listed, messages, this.storage, (changed) => this.changed(changed));
    this.opened.set(listed.chat.id, conversation);
    return conversation;
  }

  /** A conversation with nothing in it yet; it is kept from its first message on. */
  private fresh(isTemporary: boolean): void {
    const chat = newChat(prefs.defaults);
    const temporary = { ...chat, title: 'Temporary chat', is_named: true };
    this.current = isTemporary
      ? new Conversation({ chat: temporary, version: 0 }, [], new MemoryStorage(), () => {}, true)
      : new Conversation({ chat, version: 0 }, [], this.storage, (changed) => this.begun(changed));
  }

  /** Settings of a conversation without messages are not worth an entry in the list. */
  private begun(chat: Chat): void {
    if (chat.leaf === null) return;
    const conversation = this.current;
    if (conversation?.chat.id === chat.id && !this.opened.has(chat.id)) {
      this.opened.set(chat.id, conversation);
      history.replaceState(null, '', `#/chat/${chat.id}`);
    }
    this.changed(chat);
  }

  private changed(chat: Chat): void {
    const others = this.list.filter((other) => other.id !== chat.id);
    this.list = [chat, ...others].sort((a, b) => b.updated - a.updated);
    void this.opened.get(chat.id)?.settled().then(() => this.channel?.postMessage('changed'));
  }

  open(id: string): void {
    location.hash = `#/chat/${id}`;
  }

  startNew(isTemporary = false): void {
    const hash = isTemporary ? '#/temporary' : '#/';
    if (location.hash === hash || (location.hash === '' && !isTemporary)) this.fresh(isTemporary);
    else location.hash = hash;
  }

  async rename(id: string, title: string): Promise<void> {
    await this.change(id, (conversation) => conversation.rename(title));
  }

  async move(id: string, folder: string | null): Promise<void> {
    await this.change(id, (conversation) => conversation.move(folder));
  }

  /** Marks a folder as one whose conversations never leave this machine, or takes the mark away. */
  async markFolder(folder: string, isPrivate: boolean): Promise<void> {
    try {
      folders.marked = await this.storage.markFolder(folder, isPrivate);
      this.channel?.postMessage('changed');
    } catch (thrown) {
      notices.show(problemFrom(thrown).message, true);
    }
  }

  async keepPrivate(id: string, isPrivate: boolean): Promise<void> {
    await this.change(id, (conversation) => conversation.keepPrivate(isPrivate));
  }

  private async change(id: string, change: (conversation: Conversation) => void): Promise<void> {
    try {
      const conversation = await this.conversationOf(id);
      if (conversation) change(conversation);
      else await this.refresh();
    } catch (thrown) {
      notices.show(problemFrom(thrown).message, true);
    }
  }

  async remove(id: string): Promise<void> {
    try {
      await this.opened.get(id)?.discard();
      await this.storage.deleteChat(id);
    } catch (thrown) {
      notices.show(problemFrom(thrown).message, true);
      return;
    }
    this.opened.delete(id);
    this.list = this.list.filter((chat) => chat.id !== id);
    this.channel?.postMessage('changed');
    if (this.current?.chat.id === id) this.startNew();
  }

  async search(text: string): Promise<Hit[]> {
    try {
      return await this.storage.search(text, 50);
    } catch (thrown) {
      notices.show(problemFrom(thrown).message, true);
      return [];
    }
  }

  get folders(): string[] {
    const names = this.list.flatMap((chat) => chat.folder ?? []);
    return [...new Set([...names, ...folders.marked])].sort((a, b) => a.localeCompare(b));
  }
}

export const chats = new Chats();
