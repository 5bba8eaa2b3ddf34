import { hits, type Hit, type Storage } from './storage';
import type { Chat, Message } from './types';

/** Keeps conversations as long as the page is open: for temporary chats, and where the browser keeps nothing. */
export class MemoryStorage implements Storage {
  private readonly known = new Map<string, Chat>();
  private readonly texts = new Map<string, Map<string, Message>>();

  async chats(): Promise<Chat[]> {
    return [...this.known.values()];
  }

  async chat(id: string): Promise<Chat | undefined> {
    return this.known.get(id);
  }

  async messages(chat: string): Promise<Message[]> {
    return [...(this.texts.get(chat)?.values() ?? [])];
  }

  async saveChat(chat: Chat): Promise<void> {
    this.known.set(chat.id, chat);
  }

  async saveMessages(messages: Message[]): Promise<void> {
    for (const message of messages) {
      const texts = this.texts.get(message.chat) ?? new Map<string, Message>();
      texts.set(message.id, message);
      this.texts.set(message.chat, texts);
    }
  }

  async deleteChat(id: string): Promise<void> {
    this.known.delete(id);
    this.texts.delete(id);
  }

  async deleteMessages(chat: string, ids: string[]): Promise<void> {
    ids.forEach((id) => this.texts.get(chat)?.delete(id));
  }

  async search(text: string, limit: number): Promise<Hit[]> {
    return hits([...this.texts.values()].flatMap((texts) => [...texts.values()]), text, limit);
  }
}
