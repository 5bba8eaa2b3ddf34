import { hits, type Hit, type Storage } from './storage';
import type { Chat, Message } from './types';

const NAME = 'hob';
const VERSION = 1;

/** Keeps conversations in the browser. */
export class IndexedDbStorage implements Storage {
  private constructor(private readonly database: IDBDatabase) {}

  static async open(factory: IDBFactory = indexedDB): Promise<IndexedDbStorage> {
    const request = factory.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('chats', { keyPath: 'id' });
      request.result.createObjectStore('messages', { keyPath: ['chat', 'id'] });
    };
    const database = await result(request);
    // A newer page in another tab wants to change the form: it must not wait for this one.
    database.onversionchange = () => database.close();
    return new IndexedDbStorage(database);
  }

  chats(): Promise<Chat[]> {
    return result(this.read('chats').getAll());
  }

  chat(id: string): Promise<Chat | undefined> {
    return result(this.read('chats').get(id));
  }

  messages(chat: string): Promise<Message[]> {
    return result(this.read('messages').getAll(within(chat)));
  }

  saveChat(chat: Chat): Promise<void> {
    return this.write(['chats'], (stores) => stores('chats').put(chat));
  }

  saveMessages(messages: Message[]): Promise<void> {
    return this.write(['messages'], (stores) => messages.forEach((message) => stores('messages').put(message)));
  }

  deleteChat(id: string): Promise<void> {
    return this.write(['chats', 'messages'], (stores) => {
      stores('chats').delete(id);
      stores('messages').delete(within(id));
    });
  }

  deleteMessages(chat: string, ids: string[]): Promise<void> {
    return this.write(['messages'], (stores) => ids.forEach((id) => stores('messages').delete([chat, id])));
  }

  async search(text: string, limit: number): Promise<Hit[]> {
    return hits(await result(this.read('messages').getAll()), text, limit);
  }

  private read(store: string): IDBObjectStore {
    return this.database.transaction(store, 'readonly').objectStore(store);
  }

  /** Done when the browser says that it is on the disk, not when it was asked. */
  private write(names: string[], change: (stores: (name: string) => IDBObjectStore) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction(names, 'readwrite', { durability: 'strict' });
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error('The browser did not keep the conversation.'));
      change((name) => transaction.objectStore(name));
    });
  }
}

/** All messages of a conversation. */
const within = (chat: string): IDBKeyRange => IDBKeyRange.bound([chat], [chat, []]);

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('The browser keeps no conversations here.'));
  });
}
