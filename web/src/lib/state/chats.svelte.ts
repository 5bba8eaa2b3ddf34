import { IndexedDbStorage } from '../store/indexeddb';
import { MemoryStorage } from '../store/memory';
import type { Carried } from '../store/exchange';
import type { Hit, Storage } from '../store/storage';
import { newChat, type Chat } from '../store/types';
import { Conversation } from './conversation.svelte';
import { notices } from './notices.svelte';
import { prefs } from './prefs.svelte';

/** All conversations, and the one that is open. */
class Chats {
  list = $state.raw<Chat[]>([]);
  current = $state.raw<Conversation | null>(null);
  /** Whether conversations outlive the page. */
  isKept = $state(true);
  private storage: Storage = new MemoryStorage();
  /** Those that were opened since the page was: answers go on in conversations that are not shown. */
  private readonly opened = new Map<string, Conversation>();
  private channel: BroadcastChannel | null = null;

  async start(): Promise<void> {
    try {
      this.storage = await IndexedDbStorage.open();
      // Asks the browser not to clear conversations away when its disk is full; it may say no.
      void navigator.storage?.persist?.();
    } catch {
      this.isKept = false;
      notices.show('This browser keeps no data for this page: conversations last until it is closed.', true);
    }
    if ('BroadcastChannel' in globalThis) {
      this.channel = new BroadcastChannel('hob.chats');
      this.channel.onmessage = () => void this.refresh();
    }
    await this.refresh();
    await this.route();
    addEventListener('hashchange', () => void this.route());
  }

  private async refresh(): Promise<void> {
    this.list = (await this.storage.chats()).sort((a, b) => b.updated - a.updated);
  }

  /** Opens what the address says. */
  private async route(): Promise<void> {
    const id = /^#\/chat\/([0-9a-f]+)$/.exec(location.hash)?.[1];
    if (id !== undefined && id === this.current?.chat.id) return;
    if (id !== undefined && (await this.load(id))) return;
    if (location.hash !== '#/temporary' || !this.current?.isTemporary) this.fresh(location.hash === '#/temporary');
  }

  private async load(id: string): Promise<boolean> {
    const known = this.opened.get(id);
    if (known) {
      this.current = known;
      return true;
    }
    const chat = await this.storage.chat(id);
    if (!chat) return false;
    const conversation = this.conversation(chat, await this.storage.messages(id));
    this.current = conversation;
    return true;
  }

  private conversation(chat: Chat, messages: Parameters<Storage['saveMessages']>[0] = []): Conversation {
    const conversation = new Conversation(chat, messages, this.storage, (changed) => this.changed(changed));
    this.opened.set(chat.id, conversation);
    return conversation;
  }

  /** A conversation with nothing in it yet; it is kept from its first message on. */
  private fresh(isTemporary: boolean): void {
    const chat = newChat(prefs.defaults);
    this.current = isTemporary
      ? new Conversation({ ...chat, title: 'Temporary chat', isNamed: true }, [], new MemoryStorage(), () => {}, true)
      : new Conversation(chat, [], this.storage, (changed) => this.begun(changed));
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

  private async conversationOf(id: string): Promise<Conversation | null> {
    const known = this.opened.get(id);
    if (known) return known;
    const chat = await this.storage.chat(id);
    return chat ? this.conversation(chat, await this.storage.messages(id)) : null;
  }

  async rename(id: string, title: string): Promise<void> {
    (await this.conversationOf(id))?.rename(title);
  }

  async move(id: string, folder: string | null): Promise<void> {
    (await this.conversationOf(id))?.move(folder);
  }

  async remove(id: string): Promise<void> {
    await this.opened.get(id)?.discard();
    this.opened.delete(id);
    await this.storage.deleteChat(id);
    this.list = this.list.filter((chat) => chat.id !== id);
    this.channel?.postMessage('changed');
    if (this.current?.chat.id === id) this.startNew();
  }

  search(text: string): Promise<Hit[]> {
    return this.storage.search(text, 50);
  }

  /** A conversation as it can be carried elsewhere; all of them without an id. */
  async carry(id?: string): Promise<Carried[]> {
    const chats = this.list.filter((chat) => id === undefined || chat.id === id);
    return Promise.all(chats.map(async (chat) => ({ chat, messages: await this.storage.messages(chat.id) })));
  }

  async take(carried: Carried[]): Promise<void> {
    for (const { chat, messages } of carried) {
      await this.storage.saveMessages(messages);
      await this.storage.saveChat(chat);
    }
    await this.refresh();
    this.channel?.postMessage('changed');
  }

  get folders(): string[] {
    return [...new Set(this.list.flatMap((chat) => chat.folder ?? []))].sort((a, b) => a.localeCompare(b));
  }
}

export const chats = new Chats();
