import * as api from '../api/shelf';
import type { Disk, FoundModel, KeptModel, KnownModel, Pull } from '../api/shelf';
import { problemFrom, type Problem } from '../api/problem';
import { notices } from './notices.svelte';
import { prefs } from './prefs.svelte';
import { server } from './server.svelte';

/** How long to wait before listening again to a server that went away. */
const AGAIN_MS = 2000;
/** The model that was chosen before it was here. */
const WANTED = 'hob.wanted';

/** The models that are kept, and those on their way. */
class Shelf {
  pulls = $state.raw<Pull[]>([]);
  kept = $state.raw<KeptModel[]>([]);
  disk = $state.raw<Disk | null>(null);
  known = $state.raw<KnownModel[]>([]);
  found = $state.raw<FoundModel[]>([]);
  isLoaded = $state(false);
  isScanned = $state(false);
  problem = $state.raw<Problem | null>(null);
  /** Those who want to see progress; while anything is under way, somebody always does. */
  private watchers = 0;
  private stopper: AbortController | null = null;

  readonly active = $derived(this.pulls.filter((pull) => pull.state === 'running' || pull.state === 'queued'));

  /** Looks once whether anything is under way. */
  async start(): Promise<void> {
    try {
      this.take(await api.pulls());
    } catch {
      // A server without a store, or one that wants a key first: nothing is under way that could be shown.
    }
  }

  /** Follows what happens until the returned function is called. */
  watch(): () => void {
    this.watchers += 1;
    void this.follow();
    return () => {
      this.watchers -= 1;
      this.rest();
    };
  }

  async load(): Promise<void> {
    try {
      const [{ models, disk }, known] = await Promise.all([api.kept(), api.known()]);
      this.kept = models;
      this.disk = disk;
      this.known = known;
      this.problem = null;
      this.isLoaded = true;
    } catch (thrown) {
      this.failed(thrown);
    }
  }

  async scan(): Promise<void> {
    try {
      this.found = await api.found();
      this.isScanned = true;
    } catch (thrown) {
      this.failed(thrown);
    }
  }

  /** Does something and tells what went wrong; `true` when it went well. */
  private async act(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      if (this.stopper === null) this.take(await api.pulls());
      return true;
    } catch (thrown) {
      const problem = problemFrom(thrown);
      if (problem.kind === 'unauthorized') server.failed(problem);
      notices.show(problem.message, true);
      return false;
    }
  }

  pull = (model: string) => this.act(() => api.pull(model));
  pause = (pull: Pull) => this.act(() => api.pause(pull.id));
  resume = (pull: Pull) => this.act(() => api.resume(pull.id));
  cancel = (pull: Pull) => this.act(() => api.cancel(pull.id));
  adopt = (model: FoundModel) => this.act(() => api.adopt(model));

  async remove(model: KeptModel): Promise<void> {
    if (await this.act(() => api.remove(model.name))) {
      notices.show(`${model.name} was removed.`);
      await Promise.all([this.load(), server.load()]);
    }
  }

  /** This model is to be the one of new chats as soon as it is here. */
  want(reference: string): void {
    try {
      localStorage.setItem(WANTED, reference);
    } catch {
      // Without storage it has to be chosen by hand.
    }
  }

  private failed(thrown: unknown): void {
    this.problem = problemFrom(thrown);
    if (this.problem.kind === 'unauthorized') server.failed(this.problem);
  }

  /** Takes a list in; what ended since the last one is told. */
  private take(pulls: Pull[]): void {
    const before = new Map(this.pulls.map((pull) => [pull.id, pull.state]));
    this.pulls = pulls;
    for (const pull of pulls) {
      const was = before.get(pull.id);
      const isNews = was !== undefined && was !== pull.state;
      // What is wanted may have come before this page heard that it was on its way: adopting takes a moment.
      if (pull.state === 'done' && (isNews || this.isWanted(pull))) this.arrived(pull);
      if (isNews && pull.state === 'failed' && pull.error) notices.show(`${pull.name}: ${pull.error.message}`, true);
    }
    if (this.active.length > 0) void this.follow();
    else this.rest();
  }

  private isWanted(pull: Pull): boolean {
    try {
      return localStorage.getItem(WANTED) === pull.reference;
    } catch {
      return false;
    }
  }

  private arrived(pull: Pull): void {
    notices.show(`${pull.name} is here.`);
    if (this.isWanted(pull)) {
      localStorage.removeItem(WANTED);
      prefs.setDefaults({ ...prefs.defaults, model: pull.name });
    }
    void server.load();
    void this.load();
    if (this.isScanned) void this.scan();
  }

  private get isWatched(): boolean {
    return this.watchers > 0 || this.active.length > 0;
  }

  private async follow(): Promise<void> {
    if (this.stopper !== null) return;
    const stopper = new AbortController();
    this.stopper = stopper;
    while (!stopper.signal.aborted) {
      try {
        for await (const pulls of api.follow(stopper.signal)) this.take(pulls);
      } catch (thrown) {
        if (!stopper.signal.aborted && problemFrom(thrown).kind === 'unauthorized') break;
      }
      if (!stopper.signal.aborted) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    if (this.stopper === stopper) this.stopper = null;
  }

  /** A connection that nobody needs is closed: browsers have few for one server. */
  private rest(): void {
    if (this.isWatched) return;
    this.stopper?.abort();
    this.stopper = null;
  }
}

export const shelf = new Shelf();
