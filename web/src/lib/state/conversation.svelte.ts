import { askedOf, chat as ask, type Call, type ChatMessage, type ChatRequest, type Part } from '../api/chat';
import { correct, ELSEWHERE, keepsHere, plan, type Answers, type Asked, type Plan, type Question } from '../api/cloud';
import { problemFrom } from '../api/problem';
import { promptOf } from '../store/prompt';
import type { Storage } from '../store/storage';
import { Tree } from '../store/tree';
import { newMessage, type Attachment, type Chat, type ChatSettings, type Listed, type Message } from '../store/types';
import { Announcer } from '../text/announcer';
import { titleOf } from '../text/format';
import { placesOf, repairedBy } from '../text/places';
import { cloud } from './cloud.svelte';
import { folders } from './folders.svelte';
import { notices } from './notices.svelte';
import { server } from './server.svelte';

/** How often a growing answer is written down, so that closing the page loses little of it. */
const SAVE_MS = 1000;

/** An answer while it grows. It is apart from the message so that a token redraws one element, not the list. */
export interface Live {
  id: string;
  text: string;
  thought: string;
  calls: Call[];
  /** Who is asked about so many places of the text, which is complete. */
  asking: { by: string; places: number } | null;
}

/** Who makes an answer anew, where it is not who was asked before. */
export interface Elsewhere {
  model?: string;
  /** The router is not asked. */
  stays?: boolean;
}

/** A question that waits until somebody has said what may leave of it. */
export interface Asking {
  plan: Plan;
  question: () => Question;
  signal: AbortSignal;
  /** Goes on with what was said, or gives the answer up. */
  decide: (goesOn: boolean) => void;
}

/** What the server said of the schema or the tools when it refused them. */
export interface Refusal {
  param: string;
  message: string;
}

/** A conversation that is open: its tree, the branch that is shown, the answer that grows. */
export class Conversation {
  chat = $state.raw<Chat>() as Chat;
  live = $state.raw<Live | null>(null);
  refusal = $state.raw<Refusal | null>(null);
  /** What was said here of values that the policy wants to be asked about. It is kept nowhere. */
  answers = $state.raw<Answers>({});
  asking = $state.raw<Asking | null>(null);
  readonly isTemporary: boolean;
  /** What the server had counted of its changes when it was last asked. */
  version: number;
  private tree: Tree;
  private revision = $state(0);
  private stopper: AbortController | null = null;
  private growing: Growing | null = null;
  /** Messages that are not known to be kept, in the order in which they were begun. */
  private readonly unsaved = new Map<string, Message>();
  private isChanged = false;
  private isSaving = false;
  private isTold = false;
  private saving: Promise<void> = Promise.resolve();
  private isGone = false;

  path = $derived.by(() => {
    void this.revision;
    return this.tree.path(this.chat.leaf);
  });

  constructor(
    { chat, version }: Listed,
    messages: Message[],
    private readonly storage: Storage,
    private readonly changed: (chat: Chat) => void,
    isTemporary = false,
  ) {
    this.chat = chat;
    this.version = version;
    this.isTemporary = isTemporary;
    this.tree = treeOf(messages);
  }

  /** Takes over what changed elsewhere. */
  renew({ chat, version }: Listed, messages: Message[]): void {
    if (this.isBusy) return;
    this.chat = chat;
    this.version = version;
    this.tree = treeOf(messages);
    this.revision += 1;
  }

  /** Whether something of it is newer here than at the server. */
  get isBusy(): boolean {
    return this.isRunning || this.isSaving || this.isChanged;
  }

  get isRunning(): boolean {
    return this.live !== null;
  }

  /** The message and the others in its place. */
  siblings(message: Message): Message[] {
    void this.revision;
    return this.tree.siblings(message);
  }

  all(): Message[] {
    return this.tree.all();
  }

  /** Says something and has it answered. */
  async send(text: string, attachments: Attachment[] = []): Promise<void> {
    if (this.isRunning) return;
    const message = newMessage(this.chat.leaf, 'user', text, attachments);
    if (!this.chat.is_named && this.tree.size === 0) {
      this.chat = { ...this.chat, title: titleOf(text || (attachments[0]?.name ?? '')) };
    }
    this.append(message);
    await this.answer(message);
  }

  /** Says something else in the place of a message; what was said stays in its own branch. */
  async edit(message: Message, text: string): Promise<void> {
    if (this.isRunning) return;
    const other = newMessage(message.parent, 'user', text, message.attachments);
    this.append(other);
    await this.answer(other);
  }

  /** Has the message before an answer answered anew; the answer stays in its own branch. */
  async regenerate(message: Message, by?: Elsewhere): Promise<void> {
    const before = this.tree.get(message.role === 'assistant' ? message.parent : message.id);
    if (before && !this.isRunning) await this.answer(before, undefined, { ...by, is_fresh: true });
  }

  /** Has an answer made anew by a target, or by this machine; where the router had chosen, it learns from that. */
  async regenerateBy(message: Message, target: string | null): Promise<void> {
    const before = this.tree.get(message.parent);
    const isRouted = !this.model.startsWith(ELSEWHERE) && cloud.mode === 'hybrid';
    const isKept = !this.isTemporary && this.storage.isAtServer;
    if (isRouted && isKept && before?.role === 'user' && before.text.trim() !== '' && !this.isPrivate && !this.isRunning) {
      // A correction that is not heard changes nothing about the answer.
      correct(before.text, target === null ? 'local' : 'larger').catch(() => undefined);
    }
    await this.regenerate(message, target === null ? { stays: true, model: this.modelHere } : { model: `${ELSEWHERE}${target}` });
  }

  /** Goes on with an answer that was cut off or stopped; what is said is added to it. */
  async goOn(message: Message): Promise<void> {
    const to = this.tree.get(message.parent);
    if (to && !this.isRunning && message.text !== '') await this.answer(to, message);
  }

  /** Says what came of the calls of an answer, in their order, and has that answered. */
  async answerCalls(message: Message, results: string[]): Promise<void> {
    if (this.isRunning) return;
    const told = { ...message, calls: message.calls.map((call, index) => ({ ...call, result: results[index] ?? '' })) };
    this.tree.replace(told);
    this.save([told]);
    await this.answer(told);
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
    this.refusal = null;
    this.update({ settings }, false);
  }

  rename(title: string): void {
    this.update({ title, is_named: true }, false);
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

  /** Who is asked: a model here, or one elsewhere that was chosen by its name. */
  get model(): string {
    const { model } = this.chat.settings;
    if (model?.startsWith(ELSEWHERE)) return model;
    return server.model(model)?.name ?? model ?? 'ember';
  }

  /** The model of this machine that answers what is not sent. */
  private get modelHere(): string {
    return this.model.startsWith(ELSEWHERE) ? (server.model(null)?.name ?? 'ember') : this.model;
  }

  /** Whether what is said in it must be answered on this machine: it is marked, or its folder is. */
  get isPrivate(): boolean {
    return this.chat.is_private || folders.isPrivate(this.chat.folder);
  }

  /** What the server looks up to see that for itself. */
  get whose(): { chat?: string; folder?: string } {
    const { id, folder } = this.chat;
    return { ...(this.storage.isAtServer ? { chat: id } : {}), ...(folder ? { folder } : {}) };
  }

  /** Says whether it is marked. */
  keepPrivate(is_private: boolean): void {
    this.update({ is_private }, false);
  }

  /** Something said next as a question, for a plan of what would leave. */
  questionWith(text: string): Question {
    const next = newMessage(this.chat.leaf, 'user', text);
    return this.question(this.request(promptOf(this.chat.settings.system, [...this.path, next])));
  }

  private question(request: ChatRequest): Question {
    const isNamed = request.model.startsWith(ELSEWHERE);
    const who = isNamed ? { target: request.model.slice(ELSEWHERE.length) } : {};
    // What keeps the question here leaves nothing to plan; what would be sent otherwise can still be looked at.
    const answers = Object.fromEntries(Object.entries(this.answers).filter(([, say]) => say !== 'refuse'));
    return { ...askedOf(request), answers, private: request.is_private, ...this.whose, ...who };
  }

  private request(messages: ChatMessage[]): ChatRequest {
    const { sampling, think, may_drop, schema, tools, tool_choice } = this.chat.settings;
    return { model: this.model, messages, sampling, think, may_drop, schema, tools, tool_choice, is_private: this.isPrivate, ...this.whose };
  }

  private async answer(to: Message, before?: Message, by: Elsewhere & { is_fresh?: boolean } = {}): Promise<void> {
    const { settings } = this.chat;
    const model = by.model ?? this.model;
    const request = { ...this.request(promptOf(settings.system, this.tree.path(before?.id ?? to.id))), model };
    const message: Message = before
      ? { ...before, model, state: 'running', error: null, finish: null }
      : { ...newMessage(to.id, 'assistant', ''), model, state: 'running' };
    if (before) {
      this.tree.replace(message);
      this.save([message]);
    } else this.append(message);
    const growing = new Growing(message, (live) => (this.live = live), (partial) => this.save([partial]));
    this.growing = growing;
    this.stopper = new AbortController();
    this.refusal = null;
    try {
      // Results were asked for; an answer to them that had to call again would never come to an end.
      const tool_choice = settings.tool_choice === 'required' && to.role === 'assistant' ? 'auto' : settings.tool_choice;
      await this.hear({ ...request, tool_choice, goes_on: before !== undefined, repairs: true, ...by }, growing, this.stopper.signal);
    } catch (thrown) {
      if (this.stopper.signal.aborted) growing.stop();
      else this.failed(growing, thrown);
    }
    this.stopper = null;
    this.growing = null;
    this.tree.replace(growing.finish());
    this.live = null;
    this.revision += 1;
    this.save([growing.message]);
    // What was loaded for this answer, and how long its context is, is known now.
    void server.load();
  }

  /** Takes an answer in. Where the policy wants to be asked about values first, somebody is, and it is asked for once more. */
  private async hear(request: ChatRequest, growing: Growing, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        for await (const part of ask({ ...request, answers: this.answers }, signal)) growing.take(part);
        return;
      } catch (thrown) {
        const { code } = problemFrom(thrown);
        if (signal.aborted || request.stays || !(code === 'unanswered' || code === 'private')) throw thrown;
        const asks = code === 'unanswered' ? await this.answered(request, signal) : await this.asksOf(request, signal);
        if (asks === null) throw thrown;
        if (keepsHere(asks, this.answers)) {
          request = { ...request, model: this.modelHere, stays: true };
          growing.message = { ...growing.message, model: request.model };
        } else if (code === 'private') throw thrown;
      }
    }
  }

  /** The values that a refused question is asked about; null where something else keeps it here, or nobody said to. */
  private async asksOf(request: ChatRequest, signal: AbortSignal): Promise<Asked[] | null> {
    if (this.isPrivate || !Object.values(this.answers).includes('refuse')) return null;
    // A question that is refused whatever is said of its values has no plan.
    return await plan(this.question(request), signal).then(({ asks }) => asks, () => null);
  }

  /** Has somebody asked about the values of a question, and gives those; null where not all are answered then. */
  private async answered(request: ChatRequest, signal: AbortSignal): Promise<Asked[] | null> {
    const question = () => this.question(request);
    const asked = await plan(question(), signal);
    // Where the plan asks nothing that the request was refused for, asking again would never come to an end.
    if (!asked.asks.some(({ answer }) => answer === null)) return null;
    const goesOn = await new Promise<boolean>((decide) => {
      signal.addEventListener('abort', () => decide(false));
      this.asking = { plan: asked, question, signal, decide };
    });
    this.asking = null;
    if (!goesOn) this.stop();
    return goesOn ? asked.asks : null;
  }

  /** Notes what was said of values, and looks again what would be sent then. */
  async say(answers: Answers): Promise<void> {
    const said = (this.answers = { ...this.answers, ...answers });
    const { asking } = this;
    if (!asking) return;
    try {
      const now = await plan(asking.question(), asking.signal);
      if (this.answers === said && this.asking?.decide === asking.decide) this.asking = { ...this.asking, plan: now };
    } catch {
      // What was looked at before stays in sight; the server decides anew in any case.
    }
  }

  private failed(growing: Growing, thrown: unknown): void {
    const problem = problemFrom(thrown);
    if (problem.kind === 'unauthorized') server.failed(problem);
    if (problem.param !== null) this.refusal = { param: problem.param, message: problem.message };
    growing.fail({ message: problem.message, advice: problem.advice });
  }

  private append(message: Message): void {
    this.tree.add(message);
    this.unsaved.set(message.id, message);
    this.update({ leaf: message.id }, true);
  }

  private update(change: Partial<Chat>, isNews: boolean): void {
    this.chat = { ...this.chat, ...change, ...(isNews ? { updated: Date.now() } : {}) };
    this.revision += 1;
    this.save([]);
    this.changed(this.chat);
  }

  private save(messages: Message[]): void {
    messages.forEach((message) => this.unsaved.set(message.id, message));
    // Settings of a conversation in which nothing was said yet are not worth keeping.
    if (this.chat.leaf === null) return;
    this.isChanged = true;
    if (!this.isSaving) this.saving = this.write();
  }

  /** The page is being closed: what is not kept yet is sent at once, without waiting for what is under way. */
  flush(): void {
    if (this.growing) {
      const partial = this.growing.current();
      this.unsaved.set(partial.id, partial);
      this.isChanged = true;
    }
    if (!this.isChanged || this.isGone || this.chat.leaf === null) return;
    this.isChanged = false;
    // Nobody is left to be told.
    void this.storage.save(this.chat, [...this.unsaved.values()], this.version).catch(() => {});
  }

  /** Tries again to write what could not be written. */
  retry(): void {
    if (this.isChanged && !this.isSaving) this.saving = this.write();
  }

  /** Writes one state after the other, so that an old one never overwrites a newer one. What could not be written goes with
   *  the next change. */
  private async write(): Promise<void> {
    this.isSaving = true;
    try {
      while (this.isChanged && !this.isGone) {
        this.isChanged = false;
        const sent = [...this.unsaved.values()];
        const before = this.chat;
        const { version, is_private, folder } = await this.storage.save(before, sent, this.version);
        this.version = version;
        // Somebody else has marked it meanwhile, and this page has not said otherwise since.
        if (this.chat.is_private === before.is_private && this.chat.folder === before.folder) this.chat = { ...this.chat, is_private, folder };
        sent.filter((message) => this.unsaved.get(message.id) === message).forEach(({ id }) => this.unsaved.delete(id));
        this.isTold = false;
      }
    } catch (thrown) {
      this.isChanged = true;
      const problem = problemFrom(thrown);
      if (problem.kind === 'unauthorized') server.failed(problem);
      else if (!this.isTold) notices.show(`This conversation could not be kept. ${problem.message} ${problem.advice ?? ''}`, true);
      this.isTold = true;
    }
    this.isSaving = false;
  }
}

/** Answers that still grow on the disk were left behind by a page that was closed. */
const treeOf = (messages: Message[]): Tree =>
  new Tree(messages.map((m) => (m.state === 'running' ? { ...m, state: 'stopped' as const } : m)));

/** A message while its answer comes in: collects parts, shows them once a frame, has them saved now and then. */
class Growing {
  private text: string;
  private thought: string;
  private calls: Call[];
  private asking: Live['asking'] = null;
  private frame = 0;
  private saved = Date.now();
  private readonly began = Date.now();
  private readonly announcer = new Announcer((text) => notices.say(text));

  constructor(
    public message: Message,
    private readonly show: (live: Live) => void,
    private readonly save: (message: Message) => void,
  ) {
    // One that is gone on with has said something already.
    ({ text: this.text, thought: this.thought, calls: this.calls } = message);
    show(this.live());
    notices.say('Answering');
  }

  take(part: Part): void {
    if (part.kind === 'end') {
      // What was repaired before it was gone on with still is.
      const repaired = part.stats?.repaired ?? this.message.stats?.repaired;
      const stats = part.stats && repaired ? { ...part.stats, repaired } : part.stats;
      this.message = { ...this.message, state: 'done', finish: part.finish, stats };
      return;
    }
    if (part.kind === 'asking') {
      this.asking = { by: part.by, places: part.places };
      // What is said one after the other at once is heard as one, or not at all.
      this.announcer.end(`${this.text}\nAsking ${part.by} about ${placesOf(part.places)}`);
    } else if (part.kind === 'repaired') this.text = part.text;
    else if (part.kind === 'calls') this.calls = part.calls;
    else if (part.kind === 'thought') this.thought += part.text;
    else {
      if (this.text === '' && this.thought !== '') {
        this.message = { ...this.message, thought_ms: Date.now() - this.began };
      }
      this.text += part.text;
    }
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.show(this.live());
      if (!this.asking) this.announcer.grow(this.text);
    });
    if (Date.now() - this.saved > SAVE_MS) {
      this.saved = Date.now();
      this.save(this.current());
    }
  }

  private live(): Live {
    return { id: this.message.id, text: this.text, thought: this.thought, calls: this.calls, asking: this.asking };
  }

  stop(): void {
    // Who does not want to wait for another model has a whole answer.
    this.message = { ...this.message, state: this.asking ? 'done' : 'stopped' };
  }

  fail(error: Message['error']): void {
    this.message = { ...this.message, state: 'failed', error };
  }

  /** The message as it stays. */
  finish(): Message {
    cancelAnimationFrame(this.frame);
    this.message = this.current();
    const { repaired } = this.message.stats ?? {};
    if (!this.asking) this.announcer.end(this.text);
    else if (repaired) notices.say(repairedBy(repaired));
    if (this.message.error) notices.say(this.message.error.message);
    else if (this.calls.length > 0) notices.say(`Calls ${this.calls.map(({ name }) => name).join(', ')}`);
    return this.message;
  }

  /** The message as far as it has come. */
  current(): Message {
    return { ...this.message, text: this.text, thought: this.thought, calls: this.calls };
  }
}
