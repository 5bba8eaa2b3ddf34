import { chat as ask, type Part } from '../api/chat';
import { problemFrom } from '../api/problem';
import { promptOf } from '../store/prompt';
import type { Storage } from '../store/storage';
import { Tree } from '../store/tree';
import { newMessage, type Attachment, type Chat, type ChatSettings, type Message } from '../store/types';
import { Announcer } from '../text/announcer';
import { titleOf } from '../text/format';
import { notices } from './notices.svelte';
import { server } from './server.svelte';

/** How often a growing answer is written down, so that closing the page loses little of it. */
const SAVE_MS = 1000;

/** An answer while it grows. It is apart from the message so that a token redraws one element, not the list. */
export interface Live {
  id: string;
  text: string;
  thought: string;
}

/** A conversation that is open: its tree, the branch that is shown, the answer that grows. */
export class Conversation {
  chat = $state.raw<Chat>() as Chat;
  live = $state.raw<Live | null>(null);
  readonly isTemporary: boolean;
  private readonly tree: Tree;
  private version = $state(0);
  private stopper: AbortController | null = null;
  private saving: Promise<void> = Promise.resolve();
  private isGone = false;

  path = $derived.by(() => {
    void this.version;
    return this.tree.path(this.chat.leaf);
  });

  constructor(
    chat: Chat,
    messages: Message[],
    private readonly storage: Storage,
    private readonly changed: (chat: Chat) => void,
    isTemporary = false,
  ) {
    this.chat = chat;
    this.isTemporary = isTemporary;
    // The page was closed while these grew.
    this.tree = new Tree(messages.map((m) => (m.state === 'running' ? { ...m, state: 'stopped' as const } : m)));
  }

  get isRunning(): boolean {
    return this.live !== null;
  }

  /** The message and the others in its place. */
  siblings(message: Message): Message[] {
    void this.version;
    return this.tree.siblings(message);
  }

  all(): Message[] {
    return this.tree.all();
  }

  /** Says something and has it answered. */
  async send(text: string, attachments: Attachment[] = []): Promise<void> {
    if (this.isRunning) return;
    const message = newMessage(this.chat.id, this.chat.leaf, 'user', text, attachments);
    if (!this.chat.isNamed && this.tree.size === 0) {
      this.chat = { ...this.chat, title: titleOf(text || (attachments[0]?.name ?? '')) };
    }
    this.append(message);
    await this.answer(message);
  }

  /** Says something else in the place of a message; what was said stays in its own branch. */
  async edit(message: Message, text: string): Promise<void> {
    if (this.isRunning) return;
    const other = newMessage(this.chat.id, message.parent, 'user', text, message.attachments);
    this.append(other);
    await this.answer(other);
  }

  /** Has the message before an answer answered anew; the answer stays in its own branch. */
  async regenerate(message: Message): Promise<void> {
    const before = this.tree.get(message.role === 'assistant' ? message.parent : message.id);
    if (before && !this.isRunning) await this.answer(before);
  }

  /** Ends the answer that grows; what there is of it stays. */
  stop(): void {
    this.stopper?.abort();
  }

  /** Shows another branch. */
  show(message: Message): void {
    if (this.isRunning) return;
    this.update({ leaf: this.tree.leafBelow(message.id) }, false);
  }

  configure(settings: ChatSettings): void {
    this.update({ settings }, false);
  }

  rename(title: string): void {
    this.update({ title, isNamed: true }, false);
  }

  move(folder: string | null): void {
    this.update({ folder }, false);
  }

  /** The conversation was deleted: nothing of it is written any more. */
  discard(): Promise<void> {
    this.isGone = true;
    this.stop();
    return this.saving;
  }

  /** Settles what is still to be written. */
  settled(): Promise<void> {
    return this.saving;
  }

  private async answer(to: Message): Promise<void> {
    const { settings } = this.chat;
    const model = server.model(settings.model)?.name ?? settings.model ?? 'ember';
    const messages = promptOf(settings.system, this.tree.path(to.id));
    const message: Message = { ...newMessage(this.chat.id, to.id, 'assistant', ''), model, state: 'running' };
    this.append(message);
    const growing = new Growing(message, (live) => (this.live = live), (partial) => this.save([partial]));
    this.stopper = new AbortController();
    try {
      const request = { model, messages, sampling: settings.sampling, think: settings.think, mayDrop: settings.mayDrop };
      for await (const part of ask(request, this.stopper.signal)) growing.take(part);
    } catch (thrown) {
      if (this.stopper.signal.aborted) growing.stop();
      else this.failed(growing, thrown);
    }
    this.stopper = null;
    this.tree.replace(growing.finish());
    this.live = null;
    this.version += 1;
    this.save([growing.message]);
    // What was loaded for this answer, and how long its context is, is known now.
    void server.load();
  }

  private failed(growing: Growing, thrown: unknown): void {
    const problem = problemFrom(thrown);
    if (problem.kind === 'unauthorized') server.failed(problem);
    growing.fail({ message: problem.message, advice: problem.advice });
  }

  private append(message: Message): void {
    this.tree.add(message);
    this.update({ leaf: message.id }, true);
    this.save([message]);
  }

  private update(change: Partial<Chat>, isNews: boolean): void {
    this.chat = { ...this.chat, ...change, ...(isNews ? { updated: Date.now() } : {}) };
    this.version += 1;
    const chat = this.chat;
    // Settings of a conversation in which nothing was said yet are not worth keeping.
    if (chat.leaf !== null) this.write(() => this.storage.saveChat(chat));
    this.changed(chat);
  }

  private save(messages: Message[]): void {
    this.write(() => this.storage.saveMessages(messages));
  }

  /** One after the other, so that an old state never overwrites a new one. */
  private write(work: () => Promise<void>): void {
    this.saving = this.saving.then(() => (this.isGone ? undefined : work())).catch(() => {
      notices.show('The browser could not keep this conversation; its disk space may be used up. Export it to be safe.', true);
    });
  }
}

/** A message while its answer comes in: collects parts, shows them once a frame, has them saved now and then. */
class Growing {
  private text = '';
  private thought = '';
  private frame = 0;
  private saved = Date.now();
  private readonly began = Date.now();
  private readonly announcer = new Announcer((text) => notices.say(text));

  constructor(
    public message: Message,
    private readonly show: (live: Live) => void,
    private readonly save: (message: Message) => void,
  ) {
    show({ id: message.id, text: '', thought: '' });
    notices.say('Answering');
  }

  take(part: Part): void {
    if (part.kind === 'end') {
      this.message = { ...this.message, state: 'done', finish: part.finish, stats: part.stats };
      return;
    }
    if (part.kind === 'thought') this.thought += part.text;
    else {
      if (this.text === '' && this.thought !== '') {
        this.message = { ...this.message, thoughtMs: Date.now() - this.began };
      }
      this.text += part.text;
    }
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.show({ id: this.message.id, text: this.text, thought: this.thought });
      this.announcer.grow(this.text);
    });
    if (Date.now() - this.saved > SAVE_MS) {
      this.saved = Date.now();
      this.save(this.current());
    }
  }

  stop(): void {
    this.message = { ...this.message, state: 'stopped' };
  }

  fail(error: Message['error']): void {
    this.message = { ...this.message, state: 'failed', error };
  }

  /** The message as it stays. */
  finish(): Message {
    cancelAnimationFrame(this.frame);
    this.message = this.current();
    this.announcer.end(this.text);
    if (this.message.error) notices.say(this.message.error.message);
    return this.message;
  }

  private current(): Message {
    return { ...this.message, text: this.text, thought: this.thought };
  }
}
